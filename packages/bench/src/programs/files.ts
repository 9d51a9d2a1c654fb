/**
 * Serves blobs over `node:http` in two ways: from and to a blob store in a directory, and by the least code that does the
 * same with `node:fs`. Each received blob is hashed, and synced to the disk before the answer.
 */
import { Body, Digest, Source } from "@effect-oci/core"
import { NodeBlobStore } from "@effect-oci/store-files"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { open, rename } from "node:fs/promises"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { serve } from "../internal/program.js"

const MiB = 1024 * 1024

/** The number of bytes from which a write begins. */
const writeSize = MiB / 4

/** Receives a blob by `data` events that hash and gather, with `writev`, `fdatasync` and `rename`. */
const receiveRaw = async (request: IncomingMessage, directory: string, name: string) => {
  const file = await open(join(directory, `${name}.part`), "w")
  const hash = createHash("sha256")
  let [chunks, size, position]: [Array<Uint8Array>, number, number] = [[], 0, 0]
  let writing: Promise<void> | undefined
  const write = async () => {
    while (size >= writeSize) {
      const gathered = chunks
      const at = position
      position += size
      chunks = []
      size = 0
      request.resume()
      await file.writev(gathered, at)
    }
  }
  request.on("data", (chunk: Uint8Array) => {
    hash.update(chunk)
    chunks.push(chunk)
    size += chunk.byteLength
    if (size >= MiB) request.pause()
    if (size >= writeSize) {
      writing ??= write().finally(() => {
        writing = undefined
      })
    }
  })
  await new Promise((resolve) => request.on("end", resolve))
  await writing
  if (chunks.length > 0) await file.writev(chunks, position)
  await file.datasync()
  await file.close()
  await rename(join(directory, `${name}.part`), join(directory, name))
  const folder = await open(directory)
  await folder.sync()
  await folder.close()
  return hash.digest("hex")
}

/** Sends a file with two buffers of 1 MiB: one is read while the other is sent. */
const sendRaw = async (response: ServerResponse, path: string) => {
  const file = await open(path)
  const buffers = [Buffer.allocUnsafeSlow(MiB), Buffer.allocUnsafeSlow(MiB)] as const
  response.setHeader("content-length", (await file.stat()).size)
  let position = 0
  for (let turn = 0, reading = file.read(buffers[0], 0, MiB, 0);; turn++) {
    const { buffer, bytesRead } = await reading
    if (bytesRead === 0) break
    position += bytesRead
    reading = file.read(buffers[turn % 2 === 0 ? 1 : 0], 0, MiB, position)
    await new Promise((resolve) => response.write(buffer.subarray(0, bytesRead), resolve))
  }
  response.end()
  await file.close()
}

const bodyOf = (request: IncomingMessage) =>
  Body.fromSource((sink) => {
    request.on("data", (chunk: Uint8Array) => {
      if (!sink.data(chunk)) request.pause()
    })
    request.on("end", sink.end)
    return { resume: () => void request.resume(), cancel: () => void request.destroy() }
  })

/** Sends a body to a response, without an effect for a chunk. */
const send = (response: ServerResponse, body: Body.Body) =>
  Effect.flatMap(Source.fork, (fork) =>
    Effect.async<void>((resume) => {
      response.setHeader("content-length", body.size ?? 0)
      const control = Body.toSource(body, fork)({
        data: (chunk) => {
          const isOpen = response.write(chunk, () => control.release?.(chunk))
          if (!isOpen) response.once("drain", control.resume)
          return isOpen
        },
        end: () => {
          response.end()
          resume(Effect.void)
        },
        fail: (error) => resume(Effect.die(error))
      })
      return Effect.sync(control.cancel)
    }))

const receive = (store: NodeBlobStore.NodeBlobStore, request: IncomingMessage, key: BlobKey) =>
  Effect.suspend(() => {
    const hasher = Digest.hasher("sha256")
    const body = Body.transform(bodyOf(request), (sink) => ({
      data: (chunk) => {
        hasher.update(chunk)
        return sink.data(chunk)
      }
    }))
    return Effect.map(store.put({ key, body }), () => hasher.digest())
  })

const questions = {
  /** Serves a directory. `PUT` and `GET` of `/raw/NAME` and `/store/KEY`. Returns the `host:port` of the server. */
  listen: async (directory: string) => {
    const scope = Effect.runSync(Scope.make())
    const store = await Effect.runPromise(
      Scope.extend(NodeBlobStore.make({ directory: join(directory, "store") }), scope)
    )
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const [, way, name = ""] = (request.url ?? "").split("/")
      const key = BlobKey(name)
      if (request.method === "PUT") {
        response.end(
          way === "raw"
            ? await receiveRaw(request, directory, name)
            : await Effect.runPromise(receive(store, request, key))
        )
      } else if (way === "raw") await sendRaw(response, join(directory, name))
      else {
        await Effect.runPromise(
          Effect.scoped(Effect.flatMap(store.read(key), (body) => send(response, body)))
        )
      }
    }
    const server = createServer((request, response) => void answer(request, response))
    return new Promise<string>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`))
    })
  }
}

export type Questions = typeof questions

serve(questions)
