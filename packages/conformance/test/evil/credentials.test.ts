/** Whose credentials they are: CVE-2021-41092, CVE-2020-5260, CVE-2024-52006. */
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
    (registry) => evil.ask(registry.getManifest(repository, tag))
  )

const config = (document: unknown, runner?: CredentialHelper.Runner) =>
  Credentials.layerDockerConfig({ environment: { DOCKER_AUTH_CONFIG: JSON.stringify(document), HOME: "/nowhere" } })
    .pipe(
      Layer.provide(
        runner === undefined ? NodeCredentials.layerHelperRunner : Layer.succeed(CredentialHelper.HelperRunner, runner)
      ),
      Layer.provide(FileSystem.layerNoop({}))
    )

/** A registry behind a password, and the credentials for others. */
const world = (evil: Evil, unsent: string | undefined, host = "registry.example") =>
  Effect.gen(function*() {
    const password = evil.secret(unsent === undefined ? undefined : { unsent })
    const home = yield* evil.site({ host, tls: true }, behindBasic(password, honest))
    evil.belongs(password, home)
    return { home, password }
  })

describe("credentials are found for a host, however it is written:", () => {
  const spellings: ReadonlyArray<
    readonly [name: string, key: (port: number) => string, host: (port: number) => string]
  > = [
    ["as it is", (port) => `registry.example:${port}`, (port) => `registry.example:${port}`],
    ["in capitals there", (port) => `REGISTRY.Example:${port}`, (port) => `registry.example:${port}`],
    ["in capitals here", (port) => `registry.example:${port}`, (port) => `Registry.EXAMPLE:${port}`],
    ["with a final dot there", (port) => `registry.example.:${port}`, (port) => `registry.example:${port}`],
    ["as a URL", (port) => `https://registry.example:${port}/v1/`, (port) => `registry.example:${port}`]
  ]
  evilEach(spellings, ([name]) => name, ([, key, host], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* world(evil, undefined)
      const auths = { [key(home.port)]: { auth: btoa(`alice:${password}`) } }
      expect(Exit.isSuccess(yield* pull(evil, home, config({ auths }), host(home.port)))).toBe(true)
    }))
})

describe("credentials of another host are not found:", () => {
  const keys: ReadonlyArray<readonly [name: string, key: (port: number) => string]> = [
    ["that begins alike", (port) => `registry.example.evil.example:${port}`],
    ["that ends alike", (port) => `evilregistry.example:${port}`],
    ["that is above", (port) => `example:${port}`],
    ["that is below", (port) => `cdn.registry.example:${port}`],
    ["on another port", (port) => `registry.example:${port + 1}`],
    ["on the port of https", () => "registry.example"],
    ["behind a user", (port) => `registry.example:${port}@evil.example`],
    ["of another repository", (port) => `registry.example:${port}/team/application`],
    ["of a prototype", () => "__proto__"],
    ["of Docker Hub", () => "https://index.docker.io/v1/"],
    ["of nobody", () => ""]
  ]
  evilEach(keys, ([name]) => name, ([, key], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* world(evil, "it is for another")
      const auths = JSON.parse(
        `{${JSON.stringify(key(home.port))}:{"auth":${JSON.stringify(btoa(`alice:${password}`))}}}`
      )
      const exit = yield* pull(evil, home, config({ auths }))
      expect(Exit.isFailure(exit)).toBe(true)
      expect(home.asked.every(({ headers }) => !headers.some(([name]) => name === "authorization"))).toBe(true)
    }))
})

describe("a helper that fails is an error, and no other is asked:", () => {
  const helpers: ReadonlyArray<readonly [name: string, helper: string]> = [
    ["that is not there", "nobody-has-this"],
    ["with a path", "../../../bin/sh"],
    ["with a command", "a;touch /tmp/x"],
    ["with a substitution", "$(id)"],
    ["with a space", "a b"],
    ["with a NUL", "a\0b"],
    ["with a line break", "a\nb"],
    ["with nothing", " "]
  ]
  evilEach(helpers, ([name]) => name, ([, helper], evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* world(evil, "its helper failed")
      const exit = yield* pull(
        evil,
        home,
        config({ credsStore: helper, auths: { [home.host]: { auth: btoa(`alice:${password}`) } } })
      )
      expect(exit).toMatchObject({ cause: { error: { _tag: "CredentialError", operation: "GetManifest" } } })
    }))
})

describe("a helper", () => {
  /** A program, for as long as the scope, that is the only one in the path. */
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
    ["that says what it knows on standard error", (secret) => `echo ${secret} >&2; exit 1`],
    ["that says what it knows, and fails", (secret) => `echo '{"Username":"alice","Secret":"${secret}"}'; exit 1`],
    ["that says half of it, and fails", (secret) => `printf '{"Secret" : "${secret}'; exit 1`],
    ["that says what is no JSON", (secret) => `echo 'password: ${secret}'`],
    ["that says half of it", (secret) => `printf '{"Username":"alice","Secret":"${secret}'`],
    ["that says something else", (secret) => `echo '["${secret}"]'`],
    ["that never ends to speak", (secret) => `echo ${secret}; yes ${secret}`]
  ]
  evilEach(
    programs,
    ([name]) => `${name} is an error that does not repeat it`,
    ([, script], evil) =>
      Effect.gen(function*() {
        const { home, password } = yield* world(evil, "its helper failed")
        yield* program(script(password))
        const exit = yield* pull(evil, home, config({ credsStore: "evil" }))
        expect(exit).toMatchObject({ cause: { error: { _tag: "CredentialError" } } })
      })
  )

  evil("is asked for the registry's own host, and for no other", (evil) =>
    Effect.gen(function*() {
      const { home, password } = yield* world(evil, undefined)
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

evil("a file of credentials that is malformed is an error that does not repeat it", (evil) =>
  Effect.gen(function*() {
    const { home, password } = yield* world(evil, "the file cannot be read")
    for (const text of [`{"auths":{"a":{"auth":"${password}"`, password, `{"auths":"${password}"}`]) {
      const credentials = Credentials.layerDockerConfig({ environment: { DOCKER_AUTH_CONFIG: text } }).pipe(
        Layer.provide(NodeFileSystem.layer)
      )
      const exit = yield* pull(evil, home, credentials)
      expect(exit).toMatchObject({ cause: { error: { _tag: "CredentialError" } } })
    }
  }))

evil("credentials do not show when they are printed", (evil) =>
  Effect.gen(function*() {
    const { home, password } = yield* world(evil, undefined)
    const credentials = alice(home, password)
    yield* evil.ask(
      Effect.succeed([credentials, Credential.identityToken(password), Credential.registryToken(password)])
    )
    yield* Effect.logInfo("credentials", credentials)
    expect(Exit.isSuccess(yield* pull(evil, home, Credentials.layerStatic(credentials)))).toBe(true)
  }))

describe("a registry gets nobody else's:", () => {
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
