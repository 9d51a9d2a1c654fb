import { printable } from "@effect-oci/core"

/**
 * Makes text from outside the program safe to log: escapes and cuts it, removes `secret`, and removes the query and the
 * user information of URLs, which may contain signatures, upload state and passwords.
 */
export const redact = (text: string, secret?: string): string => {
  const kept = secret === undefined || secret === "" ? text : text.replaceAll(secret, "…")
  return printable(kept.replace(userInfo, "//").replace(query, "?…"), 2048)
}

const query = /[?#][^\s?#"'<>]*=[^\s"'<>]*/g
const userInfo = /\/\/[^\s/]*@/g
