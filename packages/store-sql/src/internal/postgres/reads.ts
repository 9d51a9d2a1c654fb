import type { Connection, Pool } from "../../PostgresModel.js"
import type { Row, Statement } from "../../SqlBatch.js"
import type { PoolMetrics } from "../metrics.js"
import { isLost } from "./failure.js"
import * as pipeline from "./pipeline.js"

/** How many connections run queries at the same time. */
const maxRunning = 4

/** How many queries share a round trip. */
const maxTogether = 32

type Rows = ReadonlyArray<Row>

interface Waiting {
  readonly query: Statement
  readonly resolve: (rows: Rows) => void
  readonly reject: (cause: unknown) => void
}

/**
 * Runs queries. Those that arrive while others run wait for a moment and then share a round trip, which costs the process
 * and the database far less than one for each. Each query sees what was committed before it was asked.
 */
export class Reads {
  private waiting: Array<Waiting> = []
  private running = 0

  constructor(private readonly pool: Pool, private readonly metrics: PoolMetrics) {}

  read(query: Statement): Promise<Rows> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ query, resolve, reject })
      this.next()
    })
  }

  private next(): void {
    if (this.running === maxRunning || this.waiting.length === 0) return
    const together = this.waiting.splice(0, maxTogether)
    this.running++
    void this.runTogether(together).finally(() => {
      this.running--
      this.next()
    })
  }

  /** Runs queries at once. If the database refuses one, all fail, so each runs again alone. */
  private async runTogether(together: ReadonlyArray<Waiting>): Promise<void> {
    try {
      const results = await this.run(together.map(({ query }) => query))
      together.forEach(({ resolve }, index) => resolve(results[index]!))
    } catch (cause) {
      if (together.length === 1 || isLost(cause)) { for (const { reject } of together) reject(cause) }
      else for (const each of together) await this.runTogether([each])
    }
  }

  private async run(queries: ReadonlyArray<Statement>): Promise<ReadonlyArray<Rows>> {
    const begun = this.metrics.begin()
    const connection: Connection = await this.pool.connect()
    const connected = this.metrics.connected(begun)
    try {
      const results = await pipeline.run(connection, queries)
      connection.release()
      this.metrics.ended("query", begun, connected, undefined)
      return results
    } catch (cause) {
      connection.release(isLost(cause) ? asError(cause) : undefined)
      this.metrics.ended("query", begun, connected, "Failed")
      throw cause
    }
  }
}

/** Returns a cause as an error. With one, the pool closes a connection. */
export const asError = (cause: unknown): Error => cause instanceof Error ? cause : new Error(String(cause))
