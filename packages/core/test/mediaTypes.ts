/** Media types that browsers execute or act on. */
export const active = [
  "text/html",
  "Text/HTML; charset=utf-8",
  "application/xhtml+xml",
  "image/svg+xml",
  "text/xml",
  "application/xml",
  "application/atom+xml",
  "application/xml-dtd",
  "text/xsl",
  "text/css",
  "text/javascript",
  "text/javascript1.5",
  "application/javascript",
  "application/x-javascript",
  "application/ecmascript",
  "text/jscript",
  "text/livescript",
  "application/wasm",
  "application/pdf",
  "multipart/related",
  "message/rfc822"
]
