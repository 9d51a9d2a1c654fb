import * as NodeEvilRegistry from "@effect-oci/conformance/NodeEvilRegistry"
import { Descriptor, MediaType } from "@effect-oci/core"
import { NodeHttpClient } from "@effect/platform-node"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createTlsServer } from "node:https"
import { createServer } from "node:net"
import type { AddressInfo, Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { HostConfig } from "../src/index.js"
import { HostsToml, Resolver } from "../src/index.js"
import * as NodeResolver from "../src/NodeResolver.js"
import { app, v1 } from "./support.js"

const { cert: certificate, key } = NodeEvilRegistry.certificate

const { digest } = Descriptor.fromBytes(new TextEncoder().encode("{}"))

const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.async<string>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed(`127.0.0.1:${(server.address() as AddressInfo).port}`))
      })
    }),
    () => Effect.sync(() => server.close())
  )

/** Serves a registry over TLS, with a certificate of its own authority. It may require certificates of clients. */
const served = (requestCert: boolean) =>
  listening(
    createTlsServer(
      { cert: certificate, key, ca: certificate, requestCert, rejectUnauthorized: requestCert },
      (_, response) => {
        const headers = { "docker-content-digest": digest, "content-type": MediaType.image, "content-length": 2 }
        response.writeHead(200, { ...headers, connection: "close" }).end()
      }
    )
  )

const resolved = (config: HostConfig.Config, host: string) =>
  Effect.flatMap(
    Layer.build(NodeResolver.layerHosts(config).pipe(Layer.provide(NodeHttpClient.layerUndici))),
    (context) => Context.get(context, Resolver.Resolver).registry(host)
  )

const quick = { plainHttp: () => false, options: { retry: { retries: 0 } } }

describe("NodeResolver", () => {
  it.scopedLive("uses the certificates of a folder, as Docker and containerd do", () =>
    Effect.gen(function*() {
      const host = yield* served(true)
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "certs-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      mkdirSync(join(folder, host))
      const loaded = Effect.provide(HostsToml.load(folder), NodeFileSystem.layer)
      const resolve = Effect.flatMap(loaded, (config) => resolved({ ...quick, ...config }, host)).pipe(
        Effect.flatMap((found) => found.resolveManifest(app, v1))
      )
      expect((yield* Effect.flip(resolve))._tag).toBe("OciTransportError")
      writeFileSync(join(folder, host, "ca.crt"), certificate)
      expect((yield* Effect.flip(resolve))._tag).toBe("OciTransportError")
      writeFileSync(join(folder, host, "client.cert"), certificate)
      writeFileSync(join(folder, host, "client.key"), key)
      expect((yield* resolve).digest).toBe(digest)
      // The key may be in the same file as its certificate.
      rmSync(join(folder, host, "client.key"))
      writeFileSync(join(folder, host, "client.cert"), certificate + key)
      expect((yield* resolve).digest).toBe(digest)
    }))

  it.scopedLive("does not verify certificates with skipVerify", () =>
    Effect.gen(function*() {
      const host = yield* served(false)
      const found = yield* resolved({ ...quick, hosts: { [host]: { origin: { tls: { skipVerify: true } } } } }, host)
      expect((yield* found.resolveManifest(app, v1)).digest).toBe(digest)
    }))

  it.scopedLive("fails if a connection takes longer than connectTimeout", () =>
    Effect.gen(function*() {
      // The server accepts connections, but does not answer the TLS handshake.
      const host = yield* listening(createServer())
      const found = yield* resolved({ ...quick, hosts: { [host]: { origin: { connectTimeout: 300 } } } }, host)
      const error = yield* Effect.flip(found.resolveManifest(app, v1)).pipe(Effect.timeout("8 seconds"))
      expect(error._tag).toBe("OciTransportError")
    }))
})
