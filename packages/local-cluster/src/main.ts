/**
 * Starts the registry of `examples/cluster` on this machine, on loopback: PostgreSQL, S3, three nodes and nginx. Ctrl-C
 * stops all of it.
 *
 *     npm run cluster                 serves until Ctrl-C
 *     npm run cluster -- --once       tests the cluster, prints a summary, and ends with 0 or 1
 *     npm run cluster -- --small-s3   uses the small S3 for tests in place of Ceph's
 *
 * `DATABASE_URL` and `S3_ENDPOINT` (with `S3_BUCKET`, `S3_REGION` and the credentials of the AWS SDK) name servers that run
 * already. `PORT` is the port of nginx.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { fileURLToPath } from "node:url"
import * as Cluster from "./cluster.js"
import * as once from "./once.js"

const isOnce = process.argv.includes("--once")

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const help = (authority: string) => `
The registry is on http://${authority}. Everyone may push. Try:

  skopeo copy --dest-tls-verify=false docker://docker.io/library/busybox docker://${authority}/library/busybox
  oras push --plain-http ${authority}/team/notes:v1 README.md
  docker pull ${authority}/library/busybox      (Docker trusts 127.0.0.1 without HTTPS)

Ctrl-C stops all of it. Nothing is kept.
`

const program = Effect.gen(function*() {
  const port = process.env["PORT"]
  const cluster = yield* Cluster.start({
    programs: { node: pathOf("../../../examples/cluster/dist/main.js"), s3: pathOf("smallS3.js") },
    port: port === undefined ? (isOnce ? undefined : 5000) : Number(port),
    smallS3: process.argv.includes("--small-s3"),
    say: Console.log
  })
  if (!isOnce) {
    yield* Console.log(help(cluster.authority))
    return yield* Effect.never
  }
  const isGood = yield* once.run(cluster)
  process.exitCode = isGood ? 0 : 1
})

program.pipe(
  Effect.scoped,
  Effect.tapError(({ message }) => Console.error(`cluster: ${message}`)),
  Effect.tapDefect((cause) => Console.error(`cluster: ${Cause.pretty(cause)}`)),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  Effect.provide(NodeContext.layer),
  (effect) => NodeRuntime.runMain(effect, { disableErrorReporting: true })
)
