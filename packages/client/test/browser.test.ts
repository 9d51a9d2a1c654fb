import { Body, Digest, MediaType, Operation, Registry, RepositoryName } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as NodeHop from "@effect-oci/testing/NodeHop"
import { NodeHttpClient } from "@effect/platform-node"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import { afterEach, beforeEach, describe, expect, it, vi } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import * as Client from "../src/Client.js"

const repository = RepositoryName.make("team/app")
const mebibyte = 1024 * 1024

/** A stream of 20 MiB, in pieces of 1 MiB. */
const size = 20 * mebibyte
const pieces = Array.from({ length: 20 }, (_, number) => new Uint8Array(mebibyte).fill(number))
const digest = Digest.fromBytes(Buffer.concat(pieces))
const streamOf = (bytes: ReadonlyArray<Uint8Array>, fields?: Body.Fields) =>
  Body.stream(Stream.fromIterable(bytes), fields)

/** Creates a client of a registry in memory, and records the method, the body and the headers of each request. */
const connect = (options?: Partial<Client.Options & Client.TransportOptions>) =>
  Effect.gen(function*() {
    const sent: Array<string> = []
    const headers: Array<Headers.Headers> = []
    const recorded = Layer.map(
      NodeHttpClient.layerUndici,
      (context) =>
        Context.make(
          HttpClient.HttpClient,
          HttpClient.transform(Context.get(context, HttpClient.HttpClient), (response, request) => {
            if (request.body._tag !== "Empty") sent.push(`${request.method} ${request.body._tag}`)
            headers.push(request.headers)
            return response
          })
        )
    )
    const server = yield* Layer.build(NodeHop.served(Memory.layer()))
    const { authority: host } = Context.get(server, NodeRegistryServer.Address)
    const client = Client.layer({ host, insecure: true, ...options }).pipe(Layer.provide(recorded))
    return { registry: Context.get(yield* Layer.build(client), Registry), sent, headers }
  })

const open = ({ handle }: Registry["Type"]) => handle(new Operation.StartUpload({ repository }))

describe("the client in a browser, which sends no streams", () => {
  beforeEach(() => void vi.stubGlobal("navigator", { userAgent: "Mozilla/5.0" }))
  afterEach(() => void vi.unstubAllGlobals())

  const inChunks = ["PATCH Uint8Array", "PATCH Uint8Array", "PATCH Uint8Array"]

  for (const singlePost of [false, true]) {
    it.scopedLive(`pushes a stream in chunks (singlePost: ${singlePost})`, () =>
      Effect.gen(function*() {
        const { registry, sent } = yield* connect({ singlePost })
        yield* registry.pushBlob(repository, { mediaType: MediaType.layer, digest, size }, streamOf(pieces))
        expect(sent).toEqual(inChunks)
        expect((yield* registry.resolveBlob(repository, digest)).size).toBe(size)
      }))
  }

  it.scopedLive("sends no header that few registries allow a page to send", () =>
    Effect.gen(function*() {
      const { headers, registry } = yield* connect()
      yield* registry.pushBlob(repository, { mediaType: MediaType.layer, digest, size }, streamOf(pieces))
      expect(headers.flatMap(({ "content-range": range }) => range ?? [])).toEqual([
        "0-8388607",
        "8388608-16777215",
        "16777216-20971519"
      ])
      expect(headers.filter((each) => "upload-offset" in each || "user-agent" in each)).toEqual([])
    }))

  it.scopedLive("sends a user agent that the program sets", () =>
    Effect.gen(function*() {
      const { headers, registry } = yield* connect({ userAgent: "example/1" })
      yield* Stream.runDrain(registry.listRepositories())
      expect(headers.map((each) => each["user-agent"])).toEqual(["example/1"])
    }))

  it.scopedLive("pushes bytes in one request", () =>
    Effect.gen(function*() {
      const { registry, sent } = yield* connect()
      yield* registry.pushBlob(
        repository,
        { mediaType: MediaType.layer, digest, size },
        Body.bytes(Buffer.concat(pieces))
      )
      expect(sent).toEqual(["PUT Uint8Array"])
    }))

  it.scopedLive("pushes a short stream in one request", () =>
    Effect.gen(function*() {
      const { registry, sent } = yield* connect()
      const short = pieces.slice(0, 2)
      const descriptor = {
        mediaType: MediaType.layer,
        digest: Digest.fromBytes(Buffer.concat(short)),
        size: 2 * mebibyte
      }
      yield* registry.pushBlob(repository, descriptor, streamOf(short))
      expect(sent).toEqual(["PUT Uint8Array"])
    }))

  for (const offset of [0, undefined]) {
    it.scopedLive(`completes an upload with a stream (offset: ${offset})`, () =>
      Effect.gen(function*() {
        const { registry, sent } = yield* connect()
        const { id } = yield* open(registry)
        const body = streamOf(pieces, { size })
        const descriptor = yield* registry.handle(
          new Operation.CompleteUpload({ repository, id, digest, offset, body })
        )
        expect(sent).toEqual(inChunks)
        expect(descriptor.size).toBe(size)
      }))
  }

  it.scopedLive("appends a stream of unknown size to an upload", () =>
    Effect.gen(function*() {
      const { registry, sent } = yield* connect()
      const { id } = yield* open(registry)
      const upload = yield* registry.handle(
        new Operation.AppendUpload({ repository, id, offset: 0, body: streamOf(pieces) })
      )
      expect(sent).toEqual(inChunks)
      expect(upload.offset).toBe(size)
      const completed = new Operation.CompleteUpload({ repository, id: upload.id, digest })
      expect((yield* registry.handle(completed)).size).toBe(size)
    }))
})
