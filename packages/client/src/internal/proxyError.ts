/** An error of a request that went through a proxy. `cause` says what happened. */
export class ProxyError extends Error {
  constructor(
    /** The proxy's host and port. */
    readonly proxy: string,
    /** Whether a connection to the proxy itself was made. */
    readonly isConnected: boolean,
    override readonly cause: unknown
  ) {
    super(`a request through the proxy ${proxy} failed`)
  }
}

/** An answer of the proxy itself, for a reason that may pass. */
export class ProxyAnswer extends Error {
  /** Without a tunnel nothing was sent. */
  readonly code: "ERR_PROXY_TUNNEL" | "ERR_PROXY_ANSWER"
  constructor(status: number, isTunnel: boolean) {
    super(`the proxy answered ${status}${isTunnel ? " to CONNECT" : ""}`)
    this.code = isTunnel ? "ERR_PROXY_TUNNEL" : "ERR_PROXY_ANSWER"
  }
}
