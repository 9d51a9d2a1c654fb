/**
 * The same behaviour at a real S3, which the environment names: `S3_ENDPOINT`, `S3_DIALECT` (`amazon` or `ceph`), and the
 * credentials in Amazon's variables. The tests create a bucket there.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { Effect } from "effect"
import { describe } from "vitest"
import { behaviour } from "./suites/s3.js"
import type { Target } from "./suites/s3Client.js"
import { send } from "./suites/s3Client.js"

const { AWS_ACCESS_KEY_ID = "", AWS_REGION = "us-east-1", AWS_SECRET_ACCESS_KEY = "", S3_DIALECT, S3_ENDPOINT } =
  process.env

if (S3_ENDPOINT === undefined) {
  process.stderr.write("Left out, because S3_ENDPOINT does not name an S3 server\n")
}

describe.runIf(S3_ENDPOINT !== undefined)(`at ${S3_ENDPOINT}`, () => {
  const target: Target = {
    origin: S3_ENDPOINT ?? "",
    bucket: `test-${crypto.randomUUID()}`,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
    region: AWS_REGION
  }
  behaviour({
    target: send(target, "PUT").pipe(Effect.as(target), Effect.orDie),
    layer: FetchHttpClient.layer,
    minPartSize: 5 * 1024 * 1024,
    dialect: S3_DIALECT === "ceph" ? "ceph" : "amazon"
  })
})
