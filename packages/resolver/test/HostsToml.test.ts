import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { HostConfig, HostsToml, Resolver } from "../src/index.js"

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

const one = (text: string, files: { readonly [path: string]: string } = {}) =>
  Effect.map(
    loaded({
      "registry.example.com/hosts.toml": text,
      ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`registry.example.com/${name}`, text]))
    }),
    ({ hosts }) => hosts!["registry.example.com"]!
  )

const all = ["pull", "resolve", "push", "referrers"]

const headersOf = (endpoint: Partial<HostConfig.Endpoint> | undefined) =>
  Object.entries(endpoint?.headers ?? {}).map(([name, value]) => [name, Redacted.value(value as Redacted.Redacted)])

const certificatesOf = (endpoint: Partial<HostConfig.Endpoint> | undefined) =>
  endpoint?.tls?.certificates?.map(({ cert, key }) => [cert, Redacted.value(key)])

describe("hosts.toml", () => {
  it.scoped("is read as in containerd's own tests", () =>
    Effect.gen(function*() {
      const { mirrors, origin, problem } = yield* one(
        `
server = "https://test-default.registry"
ca = "default.pem"
[header]
  x-custom-1 = "custom header"

[host."https://mirror.registry"]
  capabilities = ["pull"]
  ca = "mirror.pem"
  skip_verify = false
  [host."https://mirror.registry".header]
    x-custom-2 = ["value1", "value2"]

[host."https://mirror-bak.registry/us"]
  capabilities = ["pull"]
  skip_verify = true

[host."http://mirror.registry"]
  capabilities = ["pull"]

[host."https://test-1.registry"]
  capabilities = ["pull", "resolve", "push", "referrers"]
  ca = ["test-1-ca.pem", "special.pem"]
  client = [["client.cert", "client.key"],["client.pem", ""]]

[host."https://test-2.registry"]
  client = "client.pem"

[host."https://test-3.registry"]
  client = ["client-1.pem", "client-2.pem"]

[host."https://no-referrers.registry"]
  capabilities = ["pull", "resolve", "push"]

[host."https://noncompliantmirror.registry/v2/namespaceprefix"]
  capabilities = ["pull"]
  override_path = true

[host."https://noprefixnoncompliant.registry"]
  override_path = true

[host."https://onlyheader.registry".header]
  x-custom-1 = "justaheader"

[host."https://dial-timeout.registry"]
  dial_timeout = "3s"
`,
        Object.fromEntries(
          ["default.pem", "mirror.pem", "test-1-ca.pem", "special.pem", "client.cert", "client.key", "client.pem"]
            .concat("client-1.pem", "client-2.pem").map((name) => [name, name])
        )
      )
      expect(problem).toBeUndefined()
      const plain = mirrors!.map(({ headers: _, tls: __, ...endpoint }) => endpoint)
      expect(plain).toEqual([
        { host: "mirror.registry", insecure: false, capabilities: ["pull"] },
        { host: "mirror-bak.registry", insecure: false, path: "/us", capabilities: ["pull"] },
        { host: "mirror.registry", insecure: true, capabilities: ["pull"] },
        { host: "test-1.registry", insecure: false, capabilities: all },
        { host: "test-2.registry", insecure: false, capabilities: all },
        { host: "test-3.registry", insecure: false, capabilities: all },
        { host: "no-referrers.registry", insecure: false, capabilities: ["pull", "resolve", "push"] },
        // The path `/v2/namespaceprefix` means a prefix for all repositories.
        {
          host: "noncompliantmirror.registry",
          insecure: false,
          prefix: "namespaceprefix",
          capabilities: ["pull"]
        },
        { host: "noprefixnoncompliant.registry", insecure: false, apiPath: "", capabilities: all },
        { host: "onlyheader.registry", insecure: false, capabilities: all },
        { host: "dial-timeout.registry", insecure: false, capabilities: all, connectTimeout: 3000 }
      ])
      const [mirror, unverified, , first, second, third] = mirrors!
      expect(mirror!.tls).toEqual({ ca: ["mirror.pem"] })
      expect(headersOf(mirror)).toEqual([["x-custom-2", "value1, value2"]])
      expect(unverified!.tls).toEqual({ skipVerify: true })
      expect(first!.tls?.ca).toEqual(["test-1-ca.pem", "special.pem"])
      expect(certificatesOf(first)).toEqual([["client.cert", "client.key"], ["client.pem", "client.pem"]])
      expect(certificatesOf(second)).toEqual([["client.pem", "client.pem"]])
      expect(certificatesOf(third)).toEqual([["client-1.pem", "client-1.pem"], ["client-2.pem", "client-2.pem"]])
      expect(headersOf(mirrors![9])).toEqual([["x-custom-1", "justaheader"]])
      expect(origin).toMatchObject({ host: "test-default.registry", tls: { ca: ["default.pem"] }, namespace: true })
      expect(headersOf(origin)).toEqual([["x-custom-1", "custom header"]])
    }))

  it.scoped.each<{ text: string; mirror?: object; origin?: object }>([
    { text: "capabilities = [\"Pull\", \"RESOLVE\"]", origin: { capabilities: ["pull", "resolve"] } },
    { text: "capabilities = [\"push\"]", origin: { capabilities: ["push", "delete"] } },
    { text: "Capabilities = [\"pull\"]", origin: { capabilities: ["pull"] } },
    { text: "[host.\"https://m.test\"]\ncapabilities = []", mirror: { capabilities: all } },
    { text: "server = \"\"", origin: undefined as never },
    { text: "server = \"registry.test\"", origin: { host: "registry.test", insecure: false, namespace: true } },
    { text: "server = \"https://registry.test/v2/\"", origin: { host: "registry.test", insecure: false } },
    { text: "[host.\"https://m.test/us/v2\"]", mirror: { host: "m.test", path: "/us" } },
    { text: "[host.\"mirror.test:5000\"]", mirror: { host: "mirror.test:5000", insecure: false } },
    {
      text: "[host.\"https://m.test/artifactory/api/docker/remote\"]\noverride_path = true",
      mirror: { host: "m.test", apiPath: "/artifactory/api/docker/remote" }
    },
    { text: "[host.\"https://m.test/us/v2\"]\noverride_path = true", mirror: { host: "m.test", path: "/us" } },
    {
      text: "[host.\"https://m.test/v2/Not_A_Repository\"]\noverride_path = true",
      mirror: { apiPath: "/v2/Not_A_Repository" }
    },
    { text: "[host.\"https://m.test\"]\ndial_timeout = \"1m1.5s\"", mirror: { connectTimeout: 61_500 } },
    { text: "[host.\"https://m.test\"]\ndial_timeout = \"200ms\"", mirror: { connectTimeout: 200 } }
  ])("reads $text", ({ mirror, origin, text }) =>
    Effect.gen(function*() {
      const config = yield* one(text)
      expect(config.problem).toBeUndefined()
      if (mirror === undefined) {
        expect(config).toMatchObject({ mirrors: [], ...(origin === undefined ? {} : { origin }) })
      } else expect(config).toMatchObject({ mirrors: [mirror] })
      expect("path" in (config.origin ?? {})).toBe(false)
    }))

  it.scoped("leaves a registry at its own address if the file has no server", () =>
    Effect.gen(function*() {
      const config = yield* loaded({
        "docker.io/hosts.toml": "[header]\nx-key = \"CANARY\"",
        "127.0.0.1_5000_/hosts.toml": "capabilities = [\"pull\"]",
        "_default/hosts.toml": "ca = \"ca.pem\"\n[host.\"https://cache.test\"]",
        "_default/ca.pem": "CA"
      })
      expect(headersOf(config.hosts!["docker.io"]!.origin)).toEqual([["x-key", "CANARY"]])
      expect(config.hosts!["docker.io"]!.origin).not.toHaveProperty("host")
      expect(JSON.stringify(config)).not.toContain("CANARY")
      expect(config.hosts!["127.0.0.1:5000"]).toEqual({ mirrors: [], origin: { capabilities: ["pull"] } })
      expect(config.others).toMatchObject({ mirrors: [{ host: "cache.test" }], origin: { tls: { ca: ["CA"] } } })
    }))

  it.scoped("ignores unknown keys, with a warning that contains the file and the line", () =>
    Effect.gen(function*() {
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel._tag === "Warning") warnings.push(String(message))
      })
      const text = "rewrite = 1\n[host.\"https://m.test\"]\ncapabilities = [\"pull\"]\nnewer = \"CANARY\"\n" +
        "[host.\"https://m.test\".host.\"https://other.test\"]\n"
      const config = yield* Effect.provide(one(text), Logger.replace(Logger.defaultLogger, logger))
      expect(config).toEqual({ mirrors: [{ host: "m.test", insecure: false, capabilities: ["pull"] }] })
      expect(warnings.map((warning) => warning.replace(/^.*hosts\.toml/, ""))).toEqual([
        ":1: rewrite: unknown key, ignored",
        ":4: newer: unknown key, ignored",
        ":5: host: unknown key, ignored"
      ])
    }))

  it.scoped.each<readonly [text: string, line: number, says: string]>([
    ["server = 5", 1, "server: must be a string"],
    [
      "[host.\"https://m.test\"]\ncapabilities = [\"pull\", \"fly\"]",
      2,
      "capabilities: \"fly\" is unknown; use pull, "
    ],
    ["capabilities = \"pull\"", 1, "capabilities: must be a list of strings"],
    ["[host.\"https://m.test\"]\nskip_verify = \"yes\"", 2, "skip_verify: must be true or false"],
    ["[host.\"https://m.test\".header]\nx-a = 1", 2, "header.x-a: must be a string or a list of strings"],
    ["[host.\"https://user:CANARY@m.test\"]", 1, "must not contain credentials"],
    ["[host.\"ftp://m.test\"]", 1, "its scheme must be https or http"],
    ["[host.\"https://m.test\"]\nclient = [[\"a\", \"b\", \"c\"]]", 2, "client: must be a file, a list of files"],
    ["[host.\"https://m.test\"]\ndial_timeout = \"3\"", 2, "dial_timeout: must be a duration"],
    ["host = 1", 1, "host: must be a table"],
    ["\nca = \"nowhere.pem\"", 2, "ca: "],
    ["[host.\"https://m.test\"]\n\nclient = \"nowhere.pem\"", 3, "nowhere.pem: the file cannot be read: NotFound"],
    ["server = \n", 1, "the file is not valid TOML"]
  ])(
    "makes only its own registry fail if it cannot be used, with file and line: %j",
    ([text, line, says]) =>
      Effect.gen(function*() {
        const config = yield* loaded({
          "registry.example.com/hosts.toml": text,
          "other.example.com/hosts.toml": "server = \"https://other.test\""
        })
        expect(config.hosts!["other.example.com"]!.origin?.host).toBe("other.test")
        const { problem } = config.hosts!["registry.example.com"]!
        expect(problem).toContain(`registry.example.com/hosts.toml:${line}: `)
        expect(problem).toContain(says)
        expect(problem).not.toContain("CANARY")
        const resolver = yield* Layer.build(Resolver.layerHosts(config).pipe(Layer.provide(FetchHttpClient.layer)))
        const registry = Context.get(resolver, Resolver.Resolver).registry
        const error = yield* Effect.flip(registry("registry.example.com"))
        expect(error).toMatchObject({ _tag: "OciHostUnknown", reason: problem })
        yield* registry("other.example.com")
      })
  )

  it.scoped("makes the registries without a folder fail, if it is the file of _default", () =>
    Effect.gen(function*() {
      const { others } = yield* loaded({ "_default/hosts.toml": "server = 5" })
      expect(others?.problem).toContain("_default/hosts.toml:1: server")
      const none = yield* Effect.flip(HostsToml.load("/nowhere").pipe(Effect.provide(NodeFileSystem.layer)))
      expect(none.message).toBe("/nowhere: the folder cannot be read")
    }))
})

describe("a folder of certificates", () => {
  it.scoped.each<{ name: string; files: ReadonlyArray<string>; tls?: object; pairs?: ReadonlyArray<unknown> }>([
    { name: "authorities only", files: ["ca.crt", "other.crt"], tls: { ca: ["ca.crt", "other.crt"] } },
    { name: "all", files: ["ca.crt", "client.cert", "client.key"], pairs: [["client.cert", "client.key"]] },
    { name: "a pair only", files: ["client.cert", "client.key"], pairs: [["client.cert", "client.key"]] },
    { name: "a key in the file of its certificate", files: ["client.cert"], pairs: [["client.cert", "client.cert"]] },
    { name: "with an empty hosts.toml", files: ["ca.crt", "hosts.toml"], tls: { ca: ["ca.crt"] } }
  ])("is used if there is no hosts.toml: $name", ({ files, pairs, tls }) =>
    Effect.gen(function*() {
      const { hosts } = yield* loaded(
        Object.fromEntries(files.map((name) => [`testing.io:5000/${name}`, name === "hosts.toml" ? "" : name]))
      )
      const { mirrors, origin, problem } = hosts!["testing.io:5000"]!
      expect([mirrors, problem]).toEqual([undefined, undefined])
      if (tls !== undefined) expect(origin).toEqual({ tls })
      if (pairs !== undefined) expect(certificatesOf(origin)).toEqual(pairs)
    }))

  it.scoped("is ignored if there is a hosts.toml, and replaces _default even if it is empty", () =>
    Effect.gen(function*() {
      const config = yield* loaded({
        "a.test/hosts.toml": "[host.\"https://m.test\"]",
        "a.test/ca.crt": "CA",
        "b.test/README": "",
        "c.test_5000_/hosts.toml": "server = \"https://first.test\"",
        "c.test:5000/hosts.toml": "server = \"https://second.test\"",
        "a file": ""
      })
      expect(config.hosts!["a.test"]).not.toHaveProperty("origin")
      expect(config.hosts!["b.test"]).toEqual({})
      expect(config.hosts!["c.test:5000"]!.origin?.host).toBe("first.test")
      expect(Object.keys(config.hosts!).sort()).toEqual(["a.test", "b.test", "c.test:5000"])
    }))
})

describe("Docker's configuration", () => {
  const docker = (text: string) =>
    Effect.flatMap(folderOf({ "daemon.json": text }), (folder) => HostsToml.loadDocker(join(folder, "daemon.json")))
      .pipe(
        Effect.provide(NodeFileSystem.layer)
      )

  it.scoped("contains mirrors of Docker Hub", () =>
    Effect.gen(function*() {
      expect(yield* docker("{\"debug\":true,\"registry-mirrors\":[\"https://mirror.example.com/\"]}")).toEqual({
        hosts: { "docker.io": { mirrors: [{ host: "mirror.example.com", insecure: false }] } }
      })
      expect(yield* docker("{}")).toEqual({ hosts: { "docker.io": { mirrors: [] } } })
    }))

  it.scoped("fails with the file and the line if it is not valid", () =>
    Effect.gen(function*() {
      for (
        const [text, says] of [
          ["{", "daemon.json: the file is not valid JSON"],
          ["[]", "the file is not a JSON object"],
          ["{\n\"registry-mirrors\": \"x\"}", "daemon.json:2: registry-mirrors: must be a list of strings"],
          ["{\n\"registry-mirrors\": [\n\"ftp://x.example\"]}", "daemon.json:3: registry-mirrors: "]
        ]
      ) expect((yield* Effect.flip(docker(text!))).message).toContain(says)
    }))
})

describe("hosts", () => {
  it("are matched as this machine by their names only", () => {
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
