/**
 * Text from elsewhere, made fit for a message, a log line and a terminal: control characters (C0, C1, the line and
 * paragraph separators, bidirectional overrides) are written as escapes and a long text is cut.
 */
export const printable = (text: string, limit = 1024): string => {
  const cut = text.length > limit ? text.slice(0, limit) : text
  // oxlint-disable-next-line no-control-regex
  const safe = cut.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) =>
    `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
  return text.length > limit ? `${safe}…` : safe
}
