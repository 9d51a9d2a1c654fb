import * as BlobStoreSuite from "@effect-oci/conformance/BlobStoreSuite"
import { beforeAll, describe, it } from "@effect/vitest"
import { AwsClient } from "aws4fetch"
import * as Effect from "effect/Effect"
import { newPrefix, storeLayer } from "./services.js"

const service = {
  endpoint: process.env["S3_ENDPOINT"] ?? "",
  bucket: process.env["S3_BUCKET"] ?? "effect-oci-test",
  region: process.env["S3_REGION"] ?? "us-east-1",
  accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "testkey",
  secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "testsecret"
}

/** Creates the bucket, unless it exists. */
const createBucket = async () => {
  const { accessKeyId, bucket, endpoint, region, secretAccessKey } = service
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3" })
  await client.fetch(`${endpoint}/${bucket}`, { method: "PUT" })
}

describe.skipIf(service.endpoint === "")(
  "a blob store in the S3 service at S3_ENDPOINT (skipped if it is not set)",
  () => {
    beforeAll(createBucket)
    const make = Effect.map(newPrefix, (prefix) => storeLayer(service, { prefix }))
    for (const { name, run } of BlobStoreSuite.all) {
      it.effect(name, () => run({ make, durable: true }), 120_000)
    }
  }
)
