/** Whether `Accept-Encoding` names gzip, or anything, without forbidding it. */
export function takesGzip(accepted: string | string[] | undefined): boolean {
  let any = false;
  for (const each of String(accepted ?? "").split(",")) {
    const [coding = "", ...parameters] = each.split(";").map((part) => part.trim().toLowerCase());
    const isForbidden = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    if (coding === "gzip") return !isForbidden;
    if (coding === "*") any = !isForbidden;
  }
  return any;
}
