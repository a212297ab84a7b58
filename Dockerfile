# docker build -t yamabiko . && docker run -p 8080:8080 -e YAMABIKO_JWT_SECRET -v yamabiko:/data yamabiko

FROM node:22-alpine AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY playground/package.json playground/
COPY bench/package.json bench/
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build:server
COPY playground playground
RUN npx vite build --config playground/console/vite.config.ts

FROM node:22-alpine AS modules
WORKDIR /app
COPY package.json package-lock.json ./
# Redis and PostgreSQL are a choice of the one who installs the package; here both are, in the versions that are tested.
RUN npm ci --omit=dev --workspaces=false --ignore-scripts --no-audit --no-fund \
 && version() { node -p "require('./package-lock.json').packages['node_modules/$1'].version"; } \
 && npm install --prefix /stores --ignore-scripts --no-audit --no-fund \
      "ioredis@$(version ioredis)" "postgres@$(version postgres)"

FROM node:22-alpine
ENV NODE_ENV=production \
    YAMABIKO_LOG=sqlite:/data/yamabiko.db
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=modules /app/node_modules node_modules
# Beside those of the lock file, not among them: found by looking upwards.
COPY --from=modules /stores/node_modules /node_modules
COPY --from=build /app/dist dist
COPY package.json ./
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD wget -q -O /dev/null "http://127.0.0.1:${YAMABIKO_PORT:-8080}/healthz" || exit 1
# Node is the first process: SIGTERM reaches it, and it leaves well.
ENTRYPOINT ["node", "dist/bin/yamabiko.js"]
CMD ["serve"]
