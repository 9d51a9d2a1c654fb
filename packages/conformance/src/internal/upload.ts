import * as Digest from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { bytesOf, digestOf } from "../Fixtures.js"
import type { DataSet } from "../Fixtures.js"
import type { Received } from "../Target.js"
import { expectStatus, violation } from "./expectations.js"
import { remove, send } from "./request.js"

/** Helpers that create the content of a check. They delete this content when the scope closes. */

/** A blob of 2048 bytes. */
export const sampleBlob = bytesOf("0123456789abcdef".repeat(128))

export const sampleDigest = Digest.fromBytes(sampleBlob)

const origin = "http://registry.invalid"

/** Returns the path and query of a relative or absolute `Location`, with additional parameters. */
export const follow = (received: Received, query: { readonly [name: string]: string } = {}) =>
  Effect.suspend(() => {
    const location = received.headers["location"]
    if (location === undefined || !URL.canParse(location, origin)) {
      return Effect.fail(violation(received, "a Location that can be followed", location ?? "none"))
    }
    const url = new URL(location, `${origin}${received.sent.path}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value)
    return Effect.succeed(`${url.pathname}${url.search}`)
  })

/**
 * Sends a DELETE when the scope closes, and ignores the answer. A registry that does not answer must not block the
 * suite.
 */
export const cleanUp = (path: string) =>
  Effect.addFinalizer(() => Effect.ignore(Effect.timeout(Effect.interruptible(remove(path)), "10 seconds")))

/** Opens an upload session, and returns the path where it continues. */
export const startUpload = (repository: RepositoryName, query = "") =>
  Effect.gen(function*() {
    const started = yield* send({
      method: "POST",
      path: `/v2/${repository}/blobs/uploads/${query}`,
      body: new Uint8Array(0)
    })
    yield* expectStatus(started, 202)
    return started
  })

/** Opens an upload session that a check may leave open. It is cancelled when the scope closes. */
export const openUpload = (repository: RepositoryName, query = "") =>
  Effect.gen(function*() {
    const started = yield* startUpload(repository, query)
    const path = yield* follow(started)
    yield* cleanUp(path)
    return { started, path }
  })

/** Pushes a blob, and returns its digest. */
export const putBlob = (repository: RepositoryName, bytes: Uint8Array, algorithm: Digest.Algorithm = "sha256") =>
  Effect.gen(function*() {
    const digest = digestOf(bytes, algorithm)
    const started = yield* startUpload(repository, algorithm === "sha256" ? "" : `?digest-algorithm=${algorithm}`)
    const path = yield* follow(started, { digest })
    const headers = { "content-type": "application/octet-stream" }
    yield* expectStatus(yield* send({ method: "PUT", path, headers, body: bytes }), 201)
    yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
    return digest
  })

/** Pushes a manifest by a tag or by its digest, and returns the digest. */
export const putManifest = (
  repository: RepositoryName,
  manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
  tag?: string,
  algorithm: Digest.Algorithm = "sha256"
) =>
  Effect.gen(function*() {
    const digest = digestOf(manifest.bytes, algorithm)
    const path = `/v2/${repository}/manifests/${tag ?? digest}`
    const headers = { "content-type": manifest.mediaType }
    yield* expectStatus(yield* send({ method: "PUT", path, headers, body: manifest.bytes }), 201)
    yield* cleanUp(`/v2/${repository}/manifests/${digest}`)
    return digest
  })

/** Pushes a whole data set, and returns the digests of its manifests. */
export const putDataSet = (repository: RepositoryName, dataSet: DataSet) =>
  Effect.gen(function*() {
    yield* Effect.forEach(dataSet.blobs, (bytes) => putBlob(repository, bytes, dataSet.algorithm), { discard: true })
    return yield* Effect.forEach(dataSet.manifests, (manifest) =>
      putManifest(repository, manifest, undefined, dataSet.algorithm))
  })
