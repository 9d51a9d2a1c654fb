/** Sends files and small objects to S3 by `aws4fetch`: the least code that does what a store does with a large blob. */
import { AwsClient } from "aws4fetch"
import { createHash, randomUUID } from "node:crypto"
import { open } from "node:fs/promises"
import { serve } from "../internal/program.js"

export interface Bucket {
  /** The URL of the bucket. */
  readonly url: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const partSize = 8 * 1024 * 1024

const clientOf = ({ accessKeyId, secretAccessKey }: Bucket) =>
  new AwsClient({ accessKeyId, secretAccessKey, region: "us-east-1", service: "s3", retries: 0 })

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const send = async (client: AwsClient, method: string, url: string, body: Uint8Array<ArrayBuffer> | string = "") => {
  const hash = sha256(typeof body === "string" ? new TextEncoder().encode(body) : body)
  const response = await client.fetch(url, { method, body, headers: { "x-amz-content-sha256": hash } })
  const text = await response.text()
  if (!response.ok || text.includes("<Error>")) throw new Error(`${method} ${url}: status ${response.status} ${text}`)
  return { etag: response.headers.get("etag") ?? "", text }
}

const questions = {
  /** Sends a file in parts, two at the same time, and hashes it. Returns the duration in seconds. */
  upload: async ({ bucket, file }: { readonly bucket: Bucket; readonly file: string }): Promise<number> => {
    const start = performance.now()
    const client = clientOf(bucket)
    const url = `${bucket.url}/bare/${randomUUID()}`
    const created = await send(client, "POST", `${url}?uploads`)
    const uploadId = encodeURIComponent(/<UploadId>(.*)<\/UploadId>/.exec(created.text)?.[1] ?? "")
    const input = await open(file)
    const hash = createHash("sha256")
    const etags: Array<string> = []
    let next = 0
    const sendParts = async () => {
      for (;;) {
        const number = next++
        const bytes = new Uint8Array(partSize)
        const { bytesRead } = await input.read(bytes, 0, partSize, number * partSize)
        if (bytesRead === 0) return
        const part = bytes.subarray(0, bytesRead)
        hash.update(part)
        const sent = await send(client, "PUT", `${url}?partNumber=${number + 1}&uploadId=${uploadId}`, part)
        etags[number] = sent.etag
      }
    }
    await Promise.all([sendParts(), sendParts()])
    await input.close()
    hash.digest()
    const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    const complete = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`
    await send(client, "POST", `${url}?uploadId=${uploadId}`, complete)
    const seconds = (performance.now() - start) / 1000
    await send(client, "DELETE", url)
    return seconds
  },
  /** Creates objects of 1 byte, whose names are a prefix and a number from 1. */
  create: async ({ bucket, count, prefix }: {
    readonly bucket: Bucket
    readonly prefix: string
    readonly count: number
  }): Promise<void> => {
    const client = clientOf(bucket)
    let next = 1
    const worker = async () => {
      for (let number = next++; number <= count; number = next++) {
        await send(client, "PUT", `${bucket.url}/${prefix}${number}`, "x")
      }
    }
    await Promise.all(Array.from({ length: 32 }, worker))
  }
}

export type Questions = typeof questions

serve(questions)
