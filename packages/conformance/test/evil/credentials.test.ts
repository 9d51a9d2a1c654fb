/** The hosts that credentials belong to: CVE-2021-41092, CVE-2020-5260, CVE-2024-52006. */
import { Credential, CredentialHelper, Credentials } from "@effect-oci/auth"
import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { alice, behindBasic, connect, evil, evilEach, honest, repository, tag } from "./setup.js"
import type { Evil, Site } from "./setup.js"

const pull = (evil: Evil, site: Site, credentials: Layer.Layer<Credentials.Credentials>, host = site.host) =>
  Effect.flatMap(
    connect(evil, site, { host, credentials }),
    (registry) => evil.run(registry.getManifest(repository, tag))
  )

const config = (document: unknown, runner?: CredentialHelper.Runner) =>
  Credentials.layerDockerConfig({ environment: { DOCKER_AUTH_CONFIG: JSON.stringify(document), HOME: "/nowhere" } })
    .pipe(
      Layer.provide(
        runner === undefined ? NodeCredentials.layerHelperRunner : Layer.succeed(CredentialHelper.HelperRunner, runner)
      ),
      Layer.provide(FileSystem.layerNoop({}))
    )

/** Creates a registry that requires a password, and the password. */
const passwordRegistry = (evil: Evil, unsent: string | undefined, host = "registry.example") =>
  Effect.gen(function*() {
    const password = evil.secret(unsent === undefined ? undefined : { unsent })
    const home = yield* evil.site({ host, tls: true }, behindBasic(password, honest))
    evil.belongs(password, home)
    return { home, password }
  })

describe("credentials are found for a host in any spelling:", () => {
  const spellings: ReadonlyArray<
    readonly [name: string, key: (port: number) => string, host: (port: number) => string]
  > = [
    ["the same", (port) => `registry.example:${port}`, (port) => `registry.example:${port}`],
    ["upper case in the configuration", (port) => `REGISTRY.Example:${port}`, (port) => `registry.example:${port}`],
    ["upper case in the request", (port) => `registry.example:${port}`, (port) => `Registry.EXAMPLE:${port}`],
    ["a final dot in the configuration", (port) => `registry.example.:${port}`, (port) => `registry.example:${port}`],
    [
      "a URL in the configuration",
      (port) => `https://registry.example:${port}/v1/`,
      (port) => `registry.example:${port}`
    ]
  ]
  evilEach(spellings, ([name]) => name, ([, key, host], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* passwordRegistry(evil, undefined)
      const auths = { [key(home.port)]: { auth: btoa(`alice:${password}`) } }
      expect(Exit.isSuccess(yield* pull(evil, home, config({ auths }), host(home.port)))).toBe(true)
    }))
})

describe("credentials are not found if the configured host", () => {
  const keys: ReadonlyArray<readonly [name: string, key: (port: number) => string]> = [
    ["has the same prefix", (port) => `registry.example.evil.example:${port}`],
    ["has the same suffix", (port) => `evilregistry.example:${port}`],
    ["is a parent domain", (port) => `example:${port}`],
    ["is a subdomain", (port) => `cdn.registry.example:${port}`],
    ["has another port", (port) => `registry.example:${port + 1}`],
    ["has the default port", () => "registry.example"],
    ["has the registry as its user", (port) => `registry.example:${port}@evil.example`],
    ["is a path of another repository", (port) => `registry.example:${port}/team/application`],
    ["is __proto__", () => "__proto__"],
    ["is Docker Hub", () => "https://index.docker.io/v1/"],
    ["is empty", () => ""]
  ]
  evilEach(keys, ([name]) => name, ([, key], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* passwordRegistry(evil, "it belongs to another host")
      const auths = JSON.parse(
        `{${JSON.stringify(key(home.port))}:{"auth":${JSON.stringify(btoa(`alice:${password}`))}}}`
      )
      const exit = yield* pull(evil, home, config({ auths }))
      expect(Exit.isFailure(exit)).toBe(true)
      expect(home.requests.every(({ headers }) => !headers.some(([name]) => name === "authorization"))).toBe(true)
    }))
})

describe("a credential helper that cannot run is an error, and no other helper runs:", () => {
  const helpers: ReadonlyArray<readonly [name: string, helper: string]> = [
    ["an unknown program", "does-not-exist"],
    ["a path", "../../../bin/sh"],
    ["a command", "a;touch /tmp/x"],
    ["a substitution", "$(id)"],
    ["a space", "a b"],
    ["a NUL", "a\0b"],
    ["a line break", "a\nb"],
    ["an empty name", " "]
  ]
  evilEach(helpers, ([name]) => name, ([, helper], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* passwordRegistry(evil, "its helper failed")
      const exit = yield* pull(
        evil,
        home,
        config({ credsStore: helper, auths: { [home.host]: { auth: btoa(`alice:${password}`) } } })
      )
      expect(exit).toMatchObject({ cause: { error: { _tag: "OciCredentialError", operation: "GetManifest" } } })
    }))
})

describe("a credential helper", () => {
  /** Puts a program at the start of the `PATH` until the scope closes. */
  const program = (script: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const folder = mkdtempSync(join(tmpdir(), "effect-oci-"))
        const file = join(folder, "docker-credential-evil")
        writeFileSync(file, `#!/bin/sh\n${script}\n`)
        chmodSync(file, 0o755)
        const { PATH } = process.env
        process.env["PATH"] = `${folder}:${PATH}`
        return { folder, PATH }
      }),
      ({ folder, PATH }) =>
        Effect.sync(() => {
          process.env["PATH"] = PATH
          rmSync(folder, { recursive: true })
        })
    )

  const programs: ReadonlyArray<readonly [name: string, script: (secret: string) => string]> = [
    ["that prints the secret to standard error", (secret) => `echo ${secret} >&2; exit 1`],
    ["that prints the secret and fails", (secret) => `echo '{"Username":"alice","Secret":"${secret}"}'; exit 1`],
    ["that prints a part of the JSON and fails", (secret) => `printf '{"Secret" : "${secret}'; exit 1`],
    ["that prints no JSON", (secret) => `echo 'password: ${secret}'`],
    ["that prints a part of the JSON", (secret) => `printf '{"Username":"alice","Secret":"${secret}'`],
    ["that prints other JSON", (secret) => `echo '["${secret}"]'`],
    ["that never stops printing", (secret) => `echo ${secret}; yes ${secret}`]
  ]
  evilEach(
    programs,
    ([name]) => `${name} is an error without the secret`,
    ([, script], evil) =>
      Effect.gen(function*() {
        const { home, password } = yield* passwordRegistry(evil, "its helper failed")
        yield* program(script(password))
        const exit = yield* pull(evil, home, config({ credsStore: "evil" }))
        expect(exit).toMatchObject({ cause: { error: { _tag: "OciCredentialError" } } })
      })
  )

  evil("is called only with the host of the registry", (evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* passwordRegistry(evil, undefined)
      const inputs: Array<string> = []
      const exit = yield* pull(
        evil,
        home,
        config({ credsStore: "mine" }, {
          run: ({ args, input, program }) =>
            Effect.sync(() => {
              inputs.push(`${program} ${args.join(" ")} ${input}`)
              return { exitCode: 0, output: JSON.stringify({ Username: "alice", Secret: password }) }
            })
        })
      )
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(inputs).toEqual([`docker-credential-mine get ${home.host}`])
    }))
})

evil("a malformed credentials file is an error without the secret", (evil) =>
  Effect.gen(function*() {
    const { home, password } = yield* passwordRegistry(evil, "the file cannot be read")
    for (const text of [`{"auths":{"a":{"auth":"${password}"`, password, `{"auths":"${password}"}`]) {
      const credentials = Credentials.layerDockerConfig({ environment: { DOCKER_AUTH_CONFIG: text } }).pipe(
        Layer.provide(NodeFileSystem.layer)
      )
      const exit = yield* pull(evil, home, credentials)
      expect(exit).toMatchObject({ cause: { error: { _tag: "OciCredentialError" } } })
    }
  }))

evil("printed credentials do not contain the secret", (evil) =>
  Effect.gen(function*() {
    const { home, password } = yield* passwordRegistry(evil, undefined)
    const credentials = alice(home, password)
    yield* evil.run(
      Effect.succeed([credentials, Credential.identityToken(password), Credential.registryToken(password)])
    )
    yield* Effect.logInfo("credentials", credentials)
    expect(Exit.isSuccess(yield* pull(evil, home, Credentials.layerStatic(credentials)))).toBe(true)
  }))

describe("a registry does not receive from another registry's credentials", () => {
  const kinds: ReadonlyArray<readonly [name: string, make: (secret: string) => Credential.Credential]> = [
    ["a user and a password", (secret) => Credential.basic("alice", secret)],
    ["an identity token", Credential.identityToken],
    ["a registry token", Credential.registryToken]
  ]
  evilEach(kinds, ([name]) => name, ([, make], evil) =>
    Effect.gen(function*() {
      const secret = evil.secret({ unsent: "it is for another registry" })
      const other = yield* evil.site({ host: "evil.example", tls: true }, () => ({
        status: 401,
        headers: { "www-authenticate": [`Basic realm="registry"`, `Bearer realm="/token"`] }
      }))
      const exit = yield* pull(evil, other, Credentials.layerStatic({ "registry.example": make(secret) }))
      expect(Exit.isFailure(exit)).toBe(true)
    }))
})
