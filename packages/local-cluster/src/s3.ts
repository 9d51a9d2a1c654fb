/** The S3 of the cluster: the one that the environment names, Ceph's gateway, or the small S3 for tests. */
import * as NodeChild from "@effect-oci/testing/NodeChild"
import { AwsClient } from "aws4fetch"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as ceph from "./ceph.js"
import { CannotStart } from "./failures.js"
import * as proxy from "./proxy.js"

/** An S3, and how it can be made to fail. */
export interface S3 {
  readonly title: string
  readonly env: { readonly [name: string]: string }
  /** Absent for an S3 elsewhere. */
  readonly proxy?: proxy.Proxy
}

const bucket = "registry"
const region = "us-east-1"

interface Endpoint {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const envOf = ({ accessKeyId, endpoint, secretAccessKey }: Endpoint) => ({
  REGISTRY_S3_ENDPOINT: endpoint,
  REGISTRY_S3_BUCKET: bucket,
  REGISTRY_S3_REGION: region,
  REGISTRY_S3_FORCE_PATH_STYLE: "true",
  REGISTRY_S3_CREDENTIALS: "environment",
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey
})

const createBucket = ({ accessKeyId, endpoint, secretAccessKey }: Endpoint) =>
  Effect.tryPromise({
    try: async () => {
      const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3" })
      const { ok, status } = await client.fetch(`${endpoint}/${bucket}`, { method: "PUT" })
      if (!ok && status !== 409) throw new Error(`status ${status}`)
    },
    catch: (error) => new CannotStart({ message: `the bucket cannot be created: ${(error as Error).message}` })
  })

/** Starts the small S3 in a process of its own, which writes its address. */
const small = (program: string) =>
  Effect.gen(function*() {
    const child = yield* NodeChild.start(process.execPath, [program, bucket])
    const line = yield* Effect.sync(() => /^{.*}$/m.exec(child.output())?.[0]).pipe(
      Effect.filterOrFail((text) => text !== undefined),
      Effect.retry(Schedule.spaced(50)),
      Effect.timeoutFail({
        duration: "20 seconds",
        onTimeout: () => new CannotStart({ message: `the small S3 did not start: ${child.output()}` })
      }),
      Effect.catchTag("NoSuchElementException", Effect.die)
    )
    return JSON.parse(line) as Endpoint
  })

const behindProxy = (title: string, s3: Endpoint) =>
  Effect.map(proxy.start(s3.endpoint), (before): S3 => ({
    title,
    env: envOf({ ...s3, endpoint: before.endpoint }),
    proxy: before
  }))

const direct = (title: string, s3: Endpoint) => Effect.succeed<S3>({ title, env: envOf(s3) })

export interface S3Options {
  /** The file of the program of the small S3. */
  readonly program: string
  /** Whether to use the small S3 although Ceph could run. */
  readonly small: boolean
  /** Whether a proxy before the S3 can make it fail. */
  readonly proxied: boolean
  readonly say: (line: string) => Effect.Effect<void>
}

/** Starts the S3, or returns the one that `S3_ENDPOINT` names. */
export const start = ({ program, proxied, say, small: onlySmall }: S3Options) =>
  Effect.gen(function*() {
    const reached = proxied ? behindProxy : direct
    const { S3_BUCKET, S3_ENDPOINT, S3_REGION } = process.env
    if (S3_ENDPOINT !== undefined) {
      const env: S3["env"] = {
        REGISTRY_S3_ENDPOINT: S3_ENDPOINT,
        REGISTRY_S3_BUCKET: S3_BUCKET ?? bucket,
        REGISTRY_S3_REGION: S3_REGION ?? region
      }
      return { title: `S3 at ${S3_ENDPOINT} (from S3_ENDPOINT)`, env }
    }
    const obstacle = onlySmall ? "on request" : ceph.obstacle()
    const started = obstacle === undefined
      ? yield* Effect.either(Effect.tap(ceph.start(say), createBucket))
      : { _tag: "Left" as const, left: { message: obstacle } }
    if (started._tag === "Right") return yield* reached("Ceph's S3 gateway", started.right)
    const reason = started.left.message
    return yield* reached(`the small S3 for tests, in memory (${reason})`, yield* small(program))
  })
