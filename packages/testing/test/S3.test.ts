import * as NodeS3 from "@effect-oci/testing/NodeS3"
import * as S3 from "@effect-oci/testing/S3"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { Effect } from "effect"
import { describe } from "vitest"
import { behaviour } from "./suites/s3.js"
import { target } from "./suites/s3Client.js"

for (const dialect of ["amazon", "ceph"] as const) {
  const options = { minPartSize: 1000, dialect }
  describe(`in memory, as ${dialect}`, () => {
    behaviour({ ...options, target: Effect.succeed(target), layer: S3.layer(S3.make(options)) })
  })
}

describe("on 127.0.0.1", () => {
  const options = { minPartSize: 1000, dialect: "amazon" } as const
  const server = NodeS3.serve(S3.make(options))
  behaviour({
    ...options,
    target: Effect.map(server, ({ origin }) => ({ ...target, origin })),
    layer: FetchHttpClient.layer
  })
})
