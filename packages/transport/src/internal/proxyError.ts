/** The error of a request that was sent through a proxy. `cause` contains the reason. */
export class ProxyError extends Error {
  constructor(
    /** The host and port of the proxy. */
    readonly proxy: string,
    /** Whether the client connected to the proxy itself. */
    readonly isConnected: boolean,
    override readonly cause: unknown
  ) {
    super(`a request through the proxy ${proxy} failed`)
  }
}

/** An answer of the proxy itself that may change when the request is sent again. */
export class ProxyAnswer extends Error {
  /** Without a tunnel, nothing was sent to the registry. */
  readonly code: "ERR_PROXY_TUNNEL" | "ERR_PROXY_ANSWER"
  constructor(status: number, isTunnel: boolean) {
    super(`the proxy answered ${status}${isTunnel ? " to CONNECT" : ""}`)
    this.code = isTunnel ? "ERR_PROXY_TUNNEL" : "ERR_PROXY_ANSWER"
  }
}
