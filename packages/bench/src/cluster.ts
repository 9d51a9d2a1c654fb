/**
 * Measures a registry over PostgreSQL and S3: small images to one node and to three, reads meanwhile, a large blob beside a
 * bare client of S3, memory, and the collector. The S3 is Ceph's gateway with its data in memory, or the small S3 for tests.
 */
import { Clustered } from "@effect-oci/clustered"
import * as Cluster from "@effect-oci/local-cluster/cluster"
import * as nginx from "@effect-oci/local-cluster/nginx"
import { Collector } from "@effect-oci/store"
import { SqlBatch } from "@effect-oci/store-sql"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { makeBlob } from "./internal/blob.js"
import * as curl from "./internal/curl.js"
import { folder } from "./internal/folder.js"
import { processorTimes, target } from "./internal/manifestLoad.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { processorTime } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import { pushImages } from "./internal/pushImages.js"
import type * as Probe from "./programs/probe.js"
import type * as S3Program from "./programs/s3.js"

const MiB = 1024 * 1024
const clients = 16
const seconds = 3
const imagesPerSecond = 40
const repository = "bench/large"
const dead = 100_000

type Authorities = readonly [string, ...Array<string>]

const programOf = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

const startCluster = Cluster.start({
  programs: {
    node: programOf("examples/cluster/dist/main.js"),
    s3: programOf("packages/local-cluster/dist/smallS3.js")
  },
  smallS3: process.env["SMALL_S3"] !== undefined,
  proxied: false,
  // The collector runs when it is measured.
  env: { REGISTRY_COLLECTOR_EVERY: "1 day" },
  say: (line) => Effect.sync(() => void process.stderr.write(`${line}\n`))
})

const bucketOf = ({ env }: Cluster.Cluster): S3Program.Bucket => ({
  url: `${env["REGISTRY_S3_ENDPOINT"]}/${env["REGISTRY_S3_BUCKET"]}`,
  accessKeyId: env["AWS_ACCESS_KEY_ID"] ?? "",
  secretAccessKey: env["AWS_SECRET_ACCESS_KEY"] ?? ""
})

/** The processor time of all nodes, in microseconds. */
const nodesTime = ({ nodes }: Cluster.Cluster) =>
  Effect.map(Effect.forEach(nodes, ({ pid }) => processorTime(pid() ?? 0)), (times) => times.reduce((a, b) => a + b))

/**
 * Measures pushes to one node, to three, through nginx, and at a rate through nginx, with reads of a manifest at the same
 * place.
 */
const pushes = (cluster: Cluster.Cluster) =>
  Effect.gen(function*() {
    const [first, ...others] = cluster.nodes.map(({ authority }) => authority)
    if (first === undefined) return yield* Effect.dieMessage("the cluster has no node")
    const probe = yield* Program.start<Probe.Questions>("probe")
    const warmUp = 4
    const times = new Map<string, Array<number>>()
    const reads = new Map<string, Array<number>>()
    const places = new Map<string, Authorities>([
      ["one", [first]],
      ["three", [first, ...others]],
      ["nginx", [cluster.authority]],
      ["rate", [cluster.authority]]
    ])
    const cases = new Map<string, Effect.Effect<number, unknown>>()
    for (const [name, authorities] of places) {
      const [read, time]: [Array<number>, Array<number>] = [[], []]
      reads.set(name, read)
      times.set(name, time)
      const measureRead = Effect.map(
        probe.ask("percentile99", { target: yield* target(authorities[0]), seconds }),
        (duration) => read.push(duration)
      )
      const push = Effect.gen(function*() {
        const before = yield* nodesTime(cluster)
        const rate = yield* pushImages(authorities, {
          clients,
          seconds,
          ...(name === "rate" ? { rate: imagesPerSecond } : {})
        })
        time.push(((yield* nodesTime(cluster)) - before) / (rate * seconds) / 1000)
        return rate
      })
      cases.set(name, Effect.map(Effect.all([push, measureRead], { concurrency: 2 }), ([rate]) => rate))
    }
    const rates = samplesOf(yield* interleave(cases, { warmUp, rounds: 5 }))
    const after = (samples: Map<string, Array<number>>) => (name: string) => (samples.get(name) ?? []).slice(warmUp)
    return { rates, reads: after(reads), times: after(times) }
  })

const images = (cluster: Cluster.Cluster) =>
  Effect.map(Effect.scoped(pushes(cluster)), ({ rates, reads, times }) => {
    const images = { unit: "images/s", better: "higher" } as const
    const read = { unit: "ms", better: "lower" } as const
    const time = { unit: "ms", better: "lower" } as const
    return [
      row(
        { ...images, name: `cluster: ${clients} clients push small images to one node`, target: imagesPerSecond },
        rates("one")
      ),
      row({ ...images, name: "cluster: the same to three nodes" }, rates("three")),
      row({ ...images, name: "cluster: the same through nginx to three nodes" }, rates("nginx")),
      row({ ...time, name: "cluster: processor time of the nodes for an image, one node" }, times("one")),
      row({ ...time, name: "cluster: the same, three nodes" }, times("three")),
      row(
        { name: "cluster: processor time, three nodes over one", unit: "", better: "lower", target: 1.5 },
        divided(times("three"), times("one"))
      ),
      row({ ...read, name: "cluster: GET of a manifest while pushing to one node, p99" }, reads("one")),
      row({ ...read, name: "cluster: the same through nginx to three nodes" }, reads("nginx")),
      row(
        {
          ...read,
          name: `cluster: the same through nginx, ${imagesPerSecond} images/s, which is not all it can do`,
          target: 20
        },
        reads("rate")
      )
    ]
  })

const manifests = (cluster: Cluster.Cluster) =>
  Effect.gen(function*() {
    const [node] = cluster.nodes
    const ours = {
      name: "ours",
      target: yield* target(node?.authority ?? ""),
      cpu: Effect.suspend(() => processorTime(node?.pid() ?? 0))
    }
    const at = yield* processorTimes(ours)
    return [
      row({ name: "cluster: GET of a manifest, processor time of the node", unit: "µs", better: "lower" }, at("ours")),
      row(
        { name: "cluster: GET, processor time of node:http over ours", unit: "", better: "higher", target: 0.2 },
        divided(at("node:http"), at("ours"))
      )
    ]
  }).pipe(Effect.scoped)

const received = (cluster: Cluster.Cluster, authority: string) =>
  Effect.gen(function*() {
    const blob = yield* makeBlob(yield* folder, repository, 256)
    const bare = yield* Program.start<S3Program.Questions>("s3")
    const cases = new Map<string, Effect.Effect<number, unknown>>([
      ["ours", Effect.ensuring(curl.push({ ...blob, authority }), Effect.ignore(curl.remove({ ...blob, authority })))],
      ["bare", bare.ask("upload", { bucket: bucketOf(cluster), file: blob.file })]
    ])
    const at = samplesOf(yield* interleave(cases, { warmUp: 1, rounds: 3 }))
    return [
      row({ name: "cluster: 256 MiB received, hashed, in S3", unit: "s", better: "lower" }, at("ours")),
      row({ name: "cluster: a file of 256 MiB, hashed, to S3 by aws4fetch", unit: "s", better: "lower" }, at("bare")),
      row(
        { name: "cluster: received, time of aws4fetch over ours", unit: "", better: "higher", target: 0.7 },
        divided(at("bare"), at("ours"))
      )
    ]
  }).pipe(Effect.scoped)

/** Measures by how much memory a node grows at most for 1 GiB, after a first blob of 64 MiB. */
const memory = (authority: string, pid: number) =>
  Effect.gen(function*() {
    const path = yield* folder
    const roundTrip = (mebibytes: number) =>
      Effect.gen(function*() {
        const blob = { ...(yield* makeBlob(path, repository, mebibytes)), authority }
        yield* curl.push(blob)
        yield* curl.pull({ ...blob, file: join(path, "out") })
      })
    yield* roundTrip(64)
    Program.takePeak(pid)
    const before = Program.takePeak(pid)
    yield* roundTrip(1024)
    const growth = (Program.takePeak(pid) - before) / MiB
    const name = "cluster: memory growth of a node, 1 GiB pushed and pulled"
    return [row({ name, unit: "MiB", better: "lower", target: 48 }, [growth])]
  }).pipe(Effect.scoped)

/** The rows of blobs that no manifest refers to, whose objects exist. */
const deadBlobs = [
  "SET LOCAL session_replication_role = replica",
  "INSERT INTO repo (name, created_at) VALUES ('bench/dead', 0)",
  `INSERT INTO blob (digest, size, key, created_at)
    SELECT '\\x03'::bytea || sha256(convert_to('dead ' || n, 'UTF8')), 1, 'dead-' || n, 0
    FROM generate_series(1, ${dead}) n`,
  `INSERT INTO repo_blob (repo_id, digest, leased_until)
    SELECT (SELECT id FROM repo WHERE name = 'bench/dead'), digest, 0 FROM blob WHERE key LIKE 'dead-%'`,
  `INSERT INTO review (kind, repo_id, digest, released_at)
    SELECT 'blob', repo_id, digest, 0 FROM repo_blob WHERE repo_id = (SELECT id FROM repo WHERE name = 'bench/dead')`
].map((sql) => ({ sql, params: [], guard: false }))

const storesOf = ({ env }: Cluster.Cluster) =>
  Clustered.layerStores({
    database: { url: Redacted.make(env["REGISTRY_DATABASE_URL"] ?? ""), connections: 4 },
    s3: {
      endpoint: env["REGISTRY_S3_ENDPOINT"] ?? "",
      bucket: env["REGISTRY_S3_BUCKET"] ?? "",
      region: env["REGISTRY_S3_REGION"] ?? "",
      prefix: "",
      forcePathStyle: true,
      credentials: "environment",
      redirect: undefined,
      redirectEndpoint: undefined
    }
  }).pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))))

const collector = (cluster: Cluster.Cluster) =>
  Effect.gen(function*() {
    const bare = yield* Program.start<S3Program.Questions>("s3")
    yield* bare.ask("create", { bucket: bucketOf(cluster), prefix: "blobs/dead-", count: dead })
    const { report, duration } = yield* Effect.gen(function*() {
      yield* (yield* SqlBatch.SqlBatch).run(deadBlobs)
      const start = performance.now()
      const report = yield* Collector.collect({ grace: 0 })
      return { report, duration: (performance.now() - start) / 1000 }
    }).pipe(Effect.provide(storesOf(cluster)))
    if (report.blobs < dead) return yield* Effect.dieMessage(`only ${report.blobs} blobs were collected`)
    return [
      row({ name: `cluster: ${dead} dead blobs collected`, unit: "s", better: "lower", target: 180 }, [duration])
    ]
  }).pipe(Effect.scoped)

const restart = (cluster: Cluster.Cluster) =>
  Effect.gen(function*() {
    const [, node] = cluster.nodes
    if (node === undefined) return []
    yield* node.stop
    const start = performance.now()
    yield* node.start()
    const duration = (performance.now() - start) / 1000
    return [row({ name: "cluster: start of a node, to its first answer", unit: "s", better: "lower" }, [duration])]
  })

const measure: Effect.Effect<ReadonlyArray<Row>, unknown, NodeContext.NodeContext> = Effect.gen(function*() {
  const cluster = yield* startCluster
  const [node] = cluster.nodes
  const authority = node?.authority ?? ""
  return [
    ...(yield* images(cluster)),
    ...(yield* manifests(cluster)),
    ...(yield* collector(cluster)),
    ...(yield* received(cluster, authority)),
    ...(yield* memory(authority, node?.pid() ?? 0)),
    ...(yield* restart(cluster))
  ]
}).pipe(Effect.scoped)

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.suspend(() => {
  const missing = !NodePostgres.available ? "PostgreSQL" : nginx.find() === undefined ? "nginx" : undefined
  if (missing === undefined && NodePeers.have("curl")) return Effect.provide(measure, NodeContext.layer)
  process.stderr.write(`Left out: the cluster, without ${missing ?? "curl"}\n`)
  return Effect.succeed([])
})
