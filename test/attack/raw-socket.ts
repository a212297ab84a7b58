import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

/** The opcodes of RFC 6455. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame as the server sent it. */
export interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** How a frame is to be broken. */
export interface FrameOptions {
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** The length the header claims. Default: the true one. */
  readonly claimed?: bigint;
  /** How the length is written. Default: as short as it can be. */
  readonly lengthBytes?: 1 | 2 | 8;
}

/** A text message as a good client sends it. */
export function textFrame(text: string): Buffer {
  return RawSocket.frame(OPCODE.text, Buffer.from(text));
}

/**
 * A WebSocket connection at the level of bytes: it makes the handshake, then sends what it is told, right or wrong, and
 * parses what comes. It answers nothing by itself.
 */
export class RawSocket {
  readonly frames: Frame[] = [];
  /** The code of the close frame the server sent; null so far. */
  closeCode: number | null = null;
  /** Whether the server has ended the connection. */
  isEnded = false;
  bytesWritten = 0;
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);

  private constructor(socket: Socket, rest: Buffer) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isEnded = true;
    });
    socket.on("end", () => {
      this.isEnded = true;
    });
    this.#take(rest);
  }

  /** Connects and upgrades. Rejects when the answer is not 101. */
  static open(
    url: string,
    { path = "/ws", protocol = "" }: { path?: string; protocol?: string } = {},
  ): Promise<RawSocket> {
    const { hostname, port, host } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let head = Buffer.alloc(0);
      const onData = (bytes: Buffer): void => {
        head = Buffer.concat([head, bytes]);
        const end = head.indexOf("\r\n\r\n");
        if (end === -1) return;
        socket.off("data", onData);
        socket.off("error", reject);
        const status = head.subarray(0, head.indexOf("\r\n")).toString();
        if (!status.startsWith("HTTP/1.1 101")) {
          socket.destroy();
          reject(new Error(status));
        } else resolve(new RawSocket(socket, head.subarray(end + 4)));
      };
      socket.on("data", onData);
      socket.once("error", reject);
      const lines = [
        `GET ${path} HTTP/1.1`,
        `Host: ${host}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      ];
      if (protocol !== "") lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    });
  }

  /** Makes a frame, whole and masked unless told otherwise. */
  static frame(opcode: number, payload: Buffer, options: FrameOptions = {}): Buffer {
    const { fin = true, rsv = 0, masked = true } = options;
    const claimed = options.claimed ?? BigInt(payload.length);
    const lengthBytes = options.lengthBytes ?? (claimed < 126n ? 1 : claimed < 65_536n ? 2 : 8);
    const length = Buffer.alloc(lengthBytes === 1 ? 1 : lengthBytes + 1);
    const maskBit = masked ? 0x80 : 0;
    if (lengthBytes === 1) length[0] = maskBit | (Number(claimed) & 0x7f);
    else if (lengthBytes === 2) {
      length[0] = maskBit | 126;
      length.writeUInt16BE(Number(claimed & 0xffffn), 1);
    } else {
      length[0] = maskBit | 127;
      length.writeBigUInt64BE(BigInt.asUintN(64, claimed), 1);
    }
    const key = Buffer.from([0x12, 0x34, 0x56, 0x78]);
    const body = masked ? Buffer.from(payload.map((byte, index) => byte ^ key[index % 4]!)) : payload;
    const first = (fin ? 0x80 : 0) | (rsv << 4) | (opcode & 0x0f);
    return Buffer.concat([Buffer.from([first]), length, masked ? key : Buffer.alloc(0), body]);
  }

  write(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(bytes, () => {
      this.bytesWritten += bytes.length;
    });
  }

  /** Ends our half, as a client that is done. */
  end(): void {
    this.#socket.end();
  }

  /** Reads no more than so much from now on. Returns the way to read everything again. */
  throttle(bytesPerSecond: number): () => void {
    const socket = this.#socket;
    socket.pause();
    const every = 50;
    // A paused socket still gives what it is asked for, and takes from the system only when that is gone.
    const timer = setInterval(() => {
      socket.removeAllListeners("data");
      const chunk = socket.read(Math.ceil((bytesPerSecond * every) / 1_000)) as Buffer | null;
      if (chunk !== null) this.#take(chunk);
    }, every);
    return () => {
      clearInterval(timer);
      socket.on("data", (bytes) => this.#take(bytes));
      socket.resume();
    };
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Whether an answer to this messageId came, in any codec. */
  has(messageId: string): boolean {
    const bytes = Buffer.from(messageId);
    return this.frames.some(({ payload }) => payload.includes(bytes));
  }

  /** The JSON messages so far. */
  texts(): { type: string; payload: unknown; messageId?: string; seq?: number }[] {
    return this.frames
      .filter(({ opcode }) => opcode === OPCODE.text)
      .map(({ payload }) => JSON.parse(payload.toString("utf8")) as { type: string; payload: unknown });
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 2) {
      const short = this.#rest[1]! & 0x7f;
      const header = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (this.#rest.length < header) return;
      const length =
        short === 126 ? this.#rest.readUInt16BE(2) : short === 127 ? Number(this.#rest.readBigUInt64BE(2)) : short;
      if (this.#rest.length < header + length) return;
      const payload = Buffer.from(this.#rest.subarray(header, header + length));
      const opcode = this.#rest[0]! & 0x0f;
      this.frames.push({ fin: (this.#rest[0]! & 0x80) !== 0, opcode, payload });
      if (opcode === OPCODE.close) this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.#rest = this.#rest.subarray(header + length);
    }
  }
}
