/**
 * A pool of connections to PostgreSQL. Import it from `Postgres`.
 *
 * @since 0.1.0
 */

/**
 * A connection of a pool: `PoolClient` of the package `pg`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  readonly query: (query: { readonly submit: (wire: unknown) => void }) => unknown
  readonly on: (event: "error", listener: (error: Error) => void) => unknown
  /** Returns the connection to the pool. With an error, closes the connection. */
  readonly release: (error?: Error) => void
}

/**
 * A pool of connections: `Pool` of the package `pg`, without its option `pipeline`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pool {
  readonly connect: () => Promise<Connection>
  /** The numbers of connections and of requests that wait for one, for metrics. */
  readonly totalCount?: number
  readonly idleCount?: number
  readonly waitingCount?: number
}
