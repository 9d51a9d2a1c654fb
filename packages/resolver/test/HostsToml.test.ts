import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { HostConfig, HostsToml } from "../src/index.js"

const folderOf = (files: { readonly [path: string]: string }) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "hosts-"))
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true })
        writeFileSync(join(folder, path), text)
      }
      return folder
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

const loaded = (files: { readonly [path: string]: string }) =>
  Effect.flatMap(folderOf(files), HostsToml.load).pipe(Effect.provide(NodeFileSystem.layer))

const one = (text: string, host = "registry.example.com") =>
  Effect.map(loaded({ [`${host}/hosts.toml`]: text }), ({ hosts }) => hosts?.[host])

describe("hosts.toml", () => {
  it.scoped("says where a registry is, its mirrors in order, and how they are asked", () =>
    Effect.gen(function*() {
      const config = yield* loaded({
        "docker.io/hosts.toml": `
server = "https://registry-1.docker.io"

[host."https://mirror.example.com"]
  capabilities = ["pull"]
  ca = "ca.pem"
  [host."https://mirror.example.com".header]
    x-key = "a canary"
    x-two = ["one", "two"]

[host."http://127.0.0.1:5000/below"]
  capabilities = ["pull", "resolve", "push"]
  client = [["client.pem", "client.key"]]
  skip_verify = true
`,
        "docker.io/ca.pem": "CA",
        "docker.io/client.pem": "CERT",
        "docker.io/client.key": "KEY",
        "localhost_5000_/hosts.toml": "server = \"http://localhost:5000\"",
        "_default/hosts.toml": "[host.\"https://cache.example.com/v2/proxy\"]\noverride_path = true",
        "without/other.toml": ""
      })
      const hub = config.hosts?.["docker.io"]
      expect(hub?.origin).toEqual({ host: "registry-1.docker.io", insecure: false })
      const [mirror, local] = hub?.mirrors ?? []
      expect(mirror).toMatchObject({
        host: "mirror.example.com",
        insecure: false,
        capabilities: ["pull"],
        tls: { ca: ["CA"] }
      })
      expect(JSON.stringify(config)).not.toContain("canary")
      expect(
        Object.entries(mirror?.headers ?? {}).map(([name, value]) => [name, Redacted.value(value as Redacted.Redacted)])
      )
        .toEqual([["x-key", "a canary"], ["x-two", "one, two"]])
      expect(local).toMatchObject({ host: "127.0.0.1:5000", insecure: true, path: "/below", tls: { skipVerify: true } })
      expect(local?.tls?.certificate?.cert).toBe("CERT")
      expect(config.hosts?.["localhost:5000"]).toEqual({
        mirrors: [],
        origin: { host: "localhost:5000", insecure: true }
      })
      expect(config.others).toEqual({ mirrors: [{ host: "cache.example.com", insecure: false, prefix: "proxy" }] })
      expect(Object.keys(config.hosts ?? {})).toEqual(["docker.io", "localhost:5000"])
    }))

  it.scoped("leaves a registry where its name says, where it has only mirrors", () =>
    Effect.gen(function*() {
      expect(yield* one("[host.\"mirror.example.com\"]")).toEqual({
        mirrors: [{ host: "mirror.example.com", insecure: false }]
      })
    }))

  it.scoped("is an error that names file and line, for whatever is not understood", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [text: string, line: number, says: string]> = [
        ["server = 5", 1, "server: it is no string"],
        ["\nserver = \"https://a.example\"\nserver_name = \"x\"", 3, "server_name: nobody knows this key"],
        ["[host.\"https://m.example\"]\n\n  capabilites = [\"pull\"]", 3, "capabilites: nobody knows this key"],
        ["[host.\"https://m.example\"]\ncapabilities = [\"pull\", \"fly\"]", 2, "\"fly\" is no capability"],
        ["[host.\"https://m.example\"]\nskip_verify = \"yes\"", 2, "skip_verify: it is neither true nor false"],
        ["[host.\"https://m.example\".header]\nx-a = 1", 2, "it is no string"],
        ["[host.\"https://user:CANARY@m.example\"]", 1, "credentials do not belong into a URL"],
        ["[host.\"ftp://m.example\"]", 1, "neither https nor http"],
        ["\n[host.\"https://m.example/api\"]\noverride_path = true", 3, "only a path is understood that has /v2"],
        ["[host.\"https://m.example\"]\nclient = [\"a\", \"b\", \"c\"]", 2, "it is one certificate"],
        ["host = 1", 1, "host: it is no table"],
        ["server = \n", 1, "it is no TOML"]
      ]
      for (const [text, line, says] of cases) {
        const error = yield* Effect.flip(one(text))
        expect(error.message).toContain(`registry.example.com/hosts.toml:${line}: `)
        expect(error.message).toContain(says)
        expect(error.message).not.toContain("CANARY")
      }
      const missing = yield* Effect.flip(one("ca = \"nowhere.pem\""))
      expect(missing.message).toMatch(/nowhere\.pem: it cannot be read: NotFound$/)
      const none = yield* Effect.flip(HostsToml.load("/nowhere").pipe(Effect.provide(NodeFileSystem.layer)))
      expect(none.message).toBe("/nowhere: the folder cannot be read")
    }))
})

describe("Docker's configuration", () => {
  const docker = (text: string) =>
    Effect.flatMap(folderOf({ "daemon.json": text }), (folder) => HostsToml.loadDocker(join(folder, "daemon.json")))
      .pipe(
        Effect.provide(NodeFileSystem.layer)
      )

  it.scoped("names mirrors of Docker Hub", () =>
    Effect.gen(function*() {
      expect(yield* docker("{\"debug\":true,\"registry-mirrors\":[\"https://mirror.example.com/\"]}")).toEqual({
        hosts: { "docker.io": { mirrors: [{ host: "mirror.example.com", insecure: false }] } }
      })
      expect(yield* docker("{}")).toEqual({ hosts: { "docker.io": { mirrors: [] } } })
    }))

  it.scoped("is an error that names file and line where it is wrong", () =>
    Effect.gen(function*() {
      for (
        const [text, says] of [
          ["{", "daemon.json: it is no JSON"],
          ["[]", "it is no JSON object"],
          ["{\n\"registry-mirrors\": \"x\"}", "daemon.json:2: registry-mirrors: it is no list"],
          ["{\n\"registry-mirrors\": [\n\"ftp://x.example\"]}", "daemon.json:3: registry-mirrors: "]
        ]
      ) expect((yield* Effect.flip(docker(text!))).message).toContain(says)
    }))
})

describe("hosts", () => {
  it("are this machine by their name alone", () => {
    for (
      const host of ["localhost", "localhost:5000", "127.0.0.1", "127.8.9.10:80", "[::1]", "[::1]:5000", "LOCALHOST"]
    ) {
      expect(HostConfig.matchLocalhost(host)).toBe(true)
    }
    for (const host of ["localhost.evil.com", "127.0.0.1.evil.com", "10.0.0.1", "[::2]", "x.localhost", "1127.0.0.1"]) {
      expect(HostConfig.matchLocalhost(host)).toBe(false)
    }
    expect(HostConfig.dockerHub("docker.io")).toBe("registry-1.docker.io")
    expect(HostConfig.dockerHub("ghcr.io")).toBe("ghcr.io")
  })
})
