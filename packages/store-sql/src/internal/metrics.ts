/** https://opentelemetry.io/docs/specs/semconv/database/database-metrics/ */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

/** What a pool says about its connections. */
interface Counts {
  readonly totalCount?: number
  readonly idleCount?: number
  readonly waitingCount?: number
}

const boundaries = MetricBoundaries.fromIterable([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10])
const durations = Metric.histogram("db.client.operation.duration", boundaries, "How long a transaction or a query took")
const waits = Metric.histogram("db.client.connection.wait_time", boundaries, "How long it took to obtain a connection")
const uses = Metric.histogram("db.client.connection.use_time", boundaries, "How long a connection was in use")
const connections = Metric.gauge("db.client.connection.count", { description: "Connections by their state" })
const pending = Metric.gauge("db.client.connection.pending_requests", { description: "Requests for a connection" })
const retries = Metric.counter("oci.db.client.retries", {
  description: "Transactions that run again",
  incremental: true
})

/** Shows how many batches wait for the connection that writes. */
export const queueOf = (name: string): (count: number) => void => {
  const labels = [MetricLabel.make("db.client.connection.pool.name", name)]
  return (count) => pending.unsafeUpdate(count, labels)
}

/** The metrics of a pool. Durations are in seconds. */
export class PoolMetrics {
  private readonly pool: ReadonlyArray<MetricLabel.MetricLabel>
  private readonly idle: ReadonlyArray<MetricLabel.MetricLabel>
  private readonly used: ReadonlyArray<MetricLabel.MetricLabel>
  private readonly system = [MetricLabel.make("db.system.name", "postgresql")]

  constructor(private readonly counts: Counts, name: string) {
    this.pool = [MetricLabel.make("db.client.connection.pool.name", name)]
    this.idle = [...this.pool, MetricLabel.make("db.client.connection.state", "idle")]
    this.used = [...this.pool, MetricLabel.make("db.client.connection.state", "used")]
  }

  /** A call waits for a connection. Returns the time. */
  begin(): number {
    pending.unsafeUpdate((this.counts.waitingCount ?? 0) + 1, this.pool)
    return performance.now()
  }

  /** A call has a connection. Returns the time. */
  connected(begun: number): number {
    const now = performance.now()
    waits.unsafeUpdate((now - begun) / 1000, this.pool)
    this.observe()
    return now
  }

  /** A call has returned its connection. */
  ended(operation: "transaction" | "query", begun: number, connected: number, error: string | undefined): void {
    const now = performance.now()
    uses.unsafeUpdate((now - connected) / 1000, this.pool)
    durations.unsafeUpdate((now - begun) / 1000, [
      ...this.system,
      MetricLabel.make("db.operation.name", operation),
      ...(error === undefined ? [] : [MetricLabel.make("error.type", error)])
    ])
    this.observe()
  }

  retried(): void {
    retries.unsafeUpdate(1, this.pool)
  }

  private observe(): void {
    const { idleCount = 0, totalCount = 0, waitingCount = 0 } = this.counts
    connections.unsafeUpdate(idleCount, this.idle)
    connections.unsafeUpdate(totalCount - idleCount, this.used)
    pending.unsafeUpdate(waitingCount, this.pool)
  }
}
