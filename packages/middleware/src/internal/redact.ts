import { printable } from "@effect-oci/core"

/**
 * Text from elsewhere, made fit for a log: escaped and cut, without the `secret` that it may repeat, and of its URLs
 * without the query and the user information, where signatures, the state of uploads and passwords stand.
 */
export const redact = (text: string, secret?: string): string => {
  const kept = secret === undefined || secret === "" ? text : text.replaceAll(secret, "…")
  return printable(kept.replace(userInfo, "//").replace(query, "?…"), 2048)
}

const query = /[?#][^\s?#"'<>]*=[^\s"'<>]*/g
const userInfo = /\/\/[^\s/]*@/g
