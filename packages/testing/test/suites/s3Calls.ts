/** The calls that the checks of S3 make. */
import type * as S3 from "@effect-oci/testing/S3"
import type * as HttpClient from "@effect/platform/HttpClient"
import { Effect } from "effect"
import type { Layer, Scope } from "effect"
import { send } from "./s3Client.js"
import type { Answered, Target } from "./s3Client.js"

export interface Behaviour {
  readonly target: Effect.Effect<Target, never, HttpClient.HttpClient | Scope.Scope>
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** The least size of a part, except for the last part. */
  readonly minPartSize: number
  readonly dialect: S3.Dialect
}

export const brief = ({ code, status }: Answered) => code === undefined ? String(status) : `${status} ${code}`

const partsDocument = (parts: ReadonlyArray<readonly [number: number, etag: string | undefined]>) =>
  `<CompleteMultipartUpload>${
    parts.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`).join("")
  }</CompleteMultipartUpload>`

const escaped = (key: string) => key.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")

/** The same bytes as their length times a letter. */
export const letters = (letter: string, length: number) => new Uint8Array(length).fill(letter.charCodeAt(0))

export const calls = (to: Target, { dialect, minPartSize }: Behaviour) => {
  const ceph = dialect === "ceph"
  const put = (key: string, body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
    send(to, "PUT", { key, body, headers })
  const get = (key: string, headers = {}) => send(to, "GET", { key, headers })
  const start = (key: string) =>
    Effect.map(send(to, "POST", { key, query: { uploads: "" } }), ({ all }) => all("UploadId")[0] ?? "")
  const part = (key: string, uploadId: string, partNumber: number, body: string | Uint8Array<ArrayBuffer>) =>
    send(to, "PUT", { key, query: { partNumber: String(partNumber), uploadId }, body })
  const complete = (key: string, uploadId: string, parts: Parameters<typeof partsDocument>[0], headers = {}) =>
    send(to, "POST", { key, query: { uploadId }, body: partsDocument(parts), headers })
  const abort = (key: string, uploadId: string) => send(to, "DELETE", { key, query: { uploadId } })
  const list = (query: { readonly [name: string]: string }) =>
    send(to, "GET", { query: { "list-type": "2", ...query } })
  const listUploads = (query: { readonly [name: string]: string }) =>
    send(to, "GET", { query: { uploads: "", ...query } })
  const deleteAll = (keys: ReadonlyArray<string>, quiet = false) => {
    const objects = keys.map((key) => `<Object><Key>${escaped(key)}</Key></Object>`).join("")
    const body = `<Delete>${quiet ? "<Quiet>true</Quiet>" : ""}${objects}</Delete>`
    return Effect.flatMap(
      Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(body))),
      (hash) =>
        send(to, "POST", {
          query: { delete: "" },
          headers: { "x-amz-checksum-sha256": Buffer.from(hash).toString("base64") },
          body
        })
    )
  }
  return { put, get, start, part, complete, abort, list, listUploads, deleteAll, minPartSize, to, ceph }
}

type Calls = ReturnType<typeof calls>

export type Checks = {
  readonly [title: string]: (calls: Calls) => Effect.Effect<void, unknown, HttpClient.HttpClient>
}
