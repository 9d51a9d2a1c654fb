/** The path and query of a request's target, which proxies and web handlers give in absolute form. */
export const originForm = (target: string): string =>
  target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?#]*/i, "") || "/"
