import * as Caller from "@effect-oci/core/Caller"
import { CredentialError } from "@effect-oci/core/RegistryError"
import * as Origin from "@effect-oci/transport/Origin"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import * as Credential from "../src/Credential.js"
import * as CredentialHelper from "../src/CredentialHelper.js"
import * as Credentials from "../src/Credentials.js"

const origin = (url: string) => Origin.parse(url)!
const example = origin("https://registry.example.com")
const alice = Credential.basic("alice", "CANARY")
const bob = Credential.basic("bob", "CANARY")

const get = (
  layer: Layer.Layer<Credentials.Credentials>,
  registryOrigin: Origin.Origin = example,
  repository?: string
) =>
  Effect.flatMap(Credentials.Credentials, (service) => service.get(registryOrigin, repository)).pipe(
    Effect.provide(layer)
  )

/** A file system with the given files. All others are missing. */
const files = (texts: { readonly [path: string]: string }, denied: string = "") => {
  const failure = (reason: "NotFound" | "PermissionDenied", path: string) =>
    new SystemError({ reason, module: "FileSystem", method: "stat", pathOrDescriptor: path })
  return FileSystem.layerNoop({
    stat: (path) =>
      path === denied
        ? Effect.fail(failure("PermissionDenied", path))
        : texts[path] === undefined
        ? Effect.fail(failure("NotFound", path))
        : Effect.succeed({ size: FileSystem.Size(texts[path].length) } as FileSystem.File.Info),
    readFileString: (path) => Effect.succeed(texts[path]!)
  })
}

const config = (user: string, host = "registry.example.com") =>
  JSON.stringify({ auths: { [host]: { username: user, password: "CANARY" } } })

describe("Credentials", () => {
  it.effect("are empty by default", () =>
    Effect.gen(function*() {
      const service = yield* Credentials.Credentials
      expect(yield* service.get(example, "team/app")).toEqual([])
      expect(yield* get(Credentials.layerAnonymous)).toEqual([])
    }))

  it.effect("layerStatic returns the entry with the nearest key", () =>
    Effect.gen(function*() {
      const layer = Credentials.layerStatic({
        "registry.example.com": [Credential.identityToken("CANARY"), alice],
        "registry.example.com/team": bob,
        "registry.example.com/public": Credential.anonymous
      })
      expect(yield* get(layer)).toEqual([Credential.identityToken("CANARY"), alice])
      expect(yield* get(layer, example, "team/app")).toEqual([bob])
      expect(yield* get(layer, example, "public/app")).toEqual([Credential.anonymous])
      expect(yield* get(layer, origin("https://other.example.com"))).toEqual([])
      const wrong = yield* Effect.exit(get(Credentials.layerStatic({ "no host": alice })))
      expect(String(wrong)).toMatch(/is not a host/)
    }))

  it.effect("know where they come from", () =>
    Effect.gen(function*() {
      const sourceOf = <E>(layer: Layer.Layer<Credentials.Credentials, E>, repository?: string) =>
        Effect.map(get(Layer.orDie(layer), example, repository), Credential.sourceOf)
      const fixed = Credentials.layerStatic({ "registry.example.com": alice, "registry.example.com/team": bob })
      expect(yield* sourceOf(fixed)).toBe("static credentials, key registry.example.com")
      expect(yield* sourceOf(fixed, "team/app")).toBe("static credentials, key registry.example.com/team")

      const environment = { HOME: "/home/alice" }
      const path = "/home/alice/.docker/config.json"
      const stored = (text: string) =>
        Credentials.layerDockerConfig({ environment }).pipe(Layer.provide(files({ [path]: text })))
      const withFallback = Credentials.firstOf(Credentials.layerAnonymous, stored(config("alice")))
      expect(yield* sourceOf(withFallback)).toBe(`${path}, key registry.example.com`)
      const runner: CredentialHelper.Runner = {
        run: () => Effect.succeed({ exitCode: 0, output: `{"Username":"alice","Secret":"CANARY"}` })
      }
      const helped = stored(JSON.stringify({ credsStore: "vault" })).pipe(
        Layer.provide(Layer.succeed(CredentialHelper.HelperRunner, runner))
      )
      expect(yield* sourceOf(helped)).toBe("docker-credential-vault, key registry.example.com")
      const env = Credentials.layerEnv({ host: "registry.example.com" }).pipe(
        Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["REGISTRY_TOKEN", "CANARY"]]))))
      )
      expect(yield* sourceOf(env)).toBe("the environment, key registry.example.com")
      expect(yield* sourceOf(Credentials.layerAnonymous)).toBeUndefined()
    }))

  it.effect("layerConfig reads the credentials of each host", () =>
    Effect.gen(function*() {
      const credentials = Credentials.layerConfig({
        "registry.example.com": Config.map(Config.redacted("PASSWORD"), (secret) => Credential.basic("alice", secret))
      })
      const built = (variables: Record<string, string>) =>
        credentials.pipe(
          Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))))
        )
      expect(yield* get(Layer.orDie(built({ PASSWORD: "CANARY" })))).toEqual([alice])
      expect(yield* Effect.flip(Effect.scoped(Layer.build(built({}))))).toMatchObject({ path: ["PASSWORD"] })
    }))

  it.effect("layerEnv returns credentials for one host", () =>
    Effect.gen(function*() {
      const env = (variables: Record<string, string>, options?: Partial<Credentials.EnvOptions>) =>
        Credentials.layerEnv({ host: "registry.example.com", ...options }).pipe(
          Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))),
          Layer.orDie
        )
      const pair = env({ REGISTRY_USERNAME: "alice", REGISTRY_PASSWORD: "CANARY" })
      expect(yield* get(pair)).toEqual([alice])
      expect(yield* get(pair, origin("https://evil.example"))).toEqual([])
      expect(yield* get(env({ REGISTRY_TOKEN: "a", REGISTRY_IDENTITY_TOKEN: "b" }))).toEqual([
        Credential.registryToken("a"),
        Credential.identityToken("b")
      ])
      expect(yield* get(env({ U: "alice", P: "CANARY" }, { username: "U", password: "P" }))).toEqual([alice])
      expect(yield* get(env({}))).toEqual([])
    }))

  it.effect("layerEnv fails if only one of the user and the password is set, and names the missing variable", () =>
    Effect.gen(function*() {
      const failure = (variables: Record<string, string>) =>
        Credentials.layerEnv({ host: "registry.example.com" }).pipe(
          Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))),
          Layer.build,
          Effect.scoped,
          Effect.flip
        )
      const withoutUsername = yield* failure({ REGISTRY_PASSWORD: "CANARY" })
      expect(withoutUsername).toMatchObject({ _op: "MissingData", path: ["REGISTRY_USERNAME"] })
      expect(withoutUsername.message).toBe(
        "REGISTRY_PASSWORD is set, but REGISTRY_USERNAME is not; set both variables, or neither"
      )
      const withoutPassword = yield* failure({ REGISTRY_USERNAME: "alice" })
      expect(withoutPassword).toMatchObject({ _op: "MissingData", path: ["REGISTRY_PASSWORD"] })
      expect(withoutPassword.message).toMatch(/^REGISTRY_USERNAME is set, but REGISTRY_PASSWORD is not/)
    }))

  it.effect("firstOf returns the credentials of the first source that has any", () =>
    Effect.gen(function*() {
      const failing = Layer.succeed(Credentials.Credentials, {
        get: () => Effect.fail(new CredentialError({ reason: "broken" }))
      })
      const none = Credentials.layerAnonymous
      const known = (credential: Credential.Credential) =>
        Credentials.layerStatic({ "registry.example.com": credential })
      expect(yield* get(Credentials.firstOf(none))).toEqual([])
      expect(yield* get(Credentials.firstOf(none, known(alice), known(bob)))).toEqual([alice])
      expect(yield* get(Credentials.firstOf(known(Credential.anonymous), known(bob)))).toEqual([Credential.anonymous])
      expect(yield* get(Credentials.firstOf(known(alice), failing))).toEqual([alice])
      expect(yield* Effect.flip(get(Credentials.firstOf(none, failing, known(alice))))).toMatchObject({
        _tag: "OciCredentialError"
      })
    }))
})

describe("Credentials.layerDockerConfig", () => {
  const docker = (
    environment: Record<string, string>,
    texts: { readonly [path: string]: string },
    options?: { readonly denied?: string; readonly run?: CredentialHelper.Runner["run"] }
  ) =>
    Credentials.layerDockerConfig({ environment }).pipe(
      Layer.provide(files(texts, options?.denied)),
      Layer.provide(
        options?.run === undefined
          ? Layer.empty
          : Layer.succeed(CredentialHelper.HelperRunner, { run: options.run })
      )
    )

  const texts = {
    "/auth.json": config("file"),
    "/docker/config.json": config("docker"),
    "/home/alice/.docker/config.json": config("home"),
    "/run/containers/auth.json": config("runtime"),
    "/xdg/containers/auth.json": config("xdg"),
    "/home/alice/.config/containers/auth.json": config("podman")
  }
  const home = { HOME: "/home/alice" }
  const environments: ReadonlyArray<
    readonly [environment: Record<string, string>, missing: ReadonlyArray<string>, user: string]
  > = [
    [
      { DOCKER_AUTH_CONFIG: config("inline"), REGISTRY_AUTH_FILE: "/auth.json", DOCKER_CONFIG: "/docker", ...home },
      [],
      "inline"
    ],
    [{ REGISTRY_AUTH_FILE: "/auth.json", DOCKER_CONFIG: "/docker", ...home }, [], "file"],
    [{ REGISTRY_AUTH_FILE: "/missing.json", DOCKER_CONFIG: "/docker", ...home }, [], "docker"],
    [{ DOCKER_CONFIG: "", ...home }, [], "home"],
    [{ DOCKER_CONFIG: "/elsewhere", XDG_RUNTIME_DIR: "/run", ...home }, [], "runtime"],
    [{ USERPROFILE: "/home/alice" }, [], "home"],
    [{ XDG_CONFIG_HOME: "/xdg", ...home }, ["/home/alice/.docker/config.json"], "xdg"],
    [home, ["/home/alice/.docker/config.json"], "podman"]
  ]
  it.effect.each(environments)(
    "searches the files in order: %j",
    ([environment, missing, user]) =>
      Effect.gen(function*() {
        const present = Object.fromEntries(Object.entries(texts).filter(([path]) => !missing.includes(path)))
        expect(yield* get(docker(environment, present))).toMatchObject([{ username: user }])
      })
  )

  it.effect("returns no credentials if the files are missing or empty", () =>
    Effect.gen(function*() {
      expect(yield* get(docker({}, texts))).toEqual([])
      expect(yield* get(docker(home, {}))).toEqual([])
      expect(yield* get(docker(home, { "/home/alice/.docker/config.json": "\n" }))).toEqual([])
    }))

  it.effect("merges the files by key", () =>
    Effect.gen(function*() {
      const layer = docker({ DOCKER_AUTH_CONFIG: config("inline", "other.example.com"), ...home }, texts)
      expect(yield* get(layer, origin("https://other.example.com"))).toMatchObject([{ username: "inline" }])
      expect(yield* get(layer)).toMatchObject([{ username: "home" }])
    }))

  it.effect("fails and names a file that is malformed, too large, or not readable", () =>
    Effect.gen(function*() {
      const path = "/home/alice/.docker/config.json"
      const malformed = yield* Effect.flip(get(docker(home, { ...texts, [path]: `{"CANARY` })))
      expect(malformed.message).toBe(`cannot read credentials from ${path}: the file is not JSON; correct or remove it`)
      expect(malformed.message).not.toMatch(/CANARY/)
      const long = yield* Effect.flip(get(docker(home, { ...texts, [path]: " ".repeat(1024 * 1024 + 1) })))
      expect(long.message).toBe(`${path} cannot be read: it has more than 1048576 bytes`)
      const denied = yield* Effect.flip(get(docker(home, texts, { denied: path })))
      expect(denied.message).toBe(`${path} cannot be read: PermissionDenied`)
      const inline = yield* Effect.flip(get(docker({ DOCKER_AUTH_CONFIG: "CANARY" }, {})))
      expect(inline.message).toMatch(/^cannot read credentials from \$DOCKER_AUTH_CONFIG: /)
    }))

  it.effect("fails for the host of a malformed entry only", () =>
    Effect.gen(function*() {
      const layer = docker({
        DOCKER_AUTH_CONFIG: JSON.stringify({
          credHelpers: { "helped.example": 1 },
          auths: {
            "bad.example": { auth: "CANARY!" },
            "registry.example.com": { username: "alice", password: "CANARY" }
          }
        })
      }, {})
      expect(yield* get(layer)).toEqual([alice])
      expect(yield* get(layer, origin("https://other.example"))).toEqual([])
      for (const host of ["bad.example", "helped.example"]) {
        const failure = yield* Effect.flip(get(layer, origin(`https://${host}`)))
        expect(failure.message).toContain(`$DOCKER_AUTH_CONFIG: the entry "${host}"`)
        expect(failure.message).not.toContain("CANARY")
      }
    }))

  it.effect("waits for a helper as long as `helperTimeout`", () =>
    Effect.gen(function*() {
      const layer = Credentials.layerDockerConfig({
        environment: { DOCKER_AUTH_CONFIG: `{"credsStore":"store"}` },
        helperTimeout: "2 minutes"
      }).pipe(
        Layer.provide(files({})),
        Layer.provide(Layer.succeed(CredentialHelper.HelperRunner, { run: () => Effect.never }))
      )
      const fiber = yield* Effect.fork(Effect.flip(get(layer)))
      yield* TestClock.adjust("119 seconds")
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      yield* TestClock.adjust("1 second")
      expect((yield* fiber).message).toContain("it did not answer within 2m")
    }))

  it.effect("gets credentials from a helper first, and else from `auths`", () =>
    Effect.gen(function*() {
      const commands: Array<CredentialHelper.Command> = []
      const layer = (answer: CredentialHelper.Ended) =>
        docker(
          {
            DOCKER_AUTH_CONFIG: JSON.stringify({
              credsStore: "store",
              credHelpers: { "docker.io": "hub" },
              auths: { "registry.example.com": { username: "stored", password: "CANARY" } }
            })
          },
          {},
          {
            run: (command) =>
              Effect.sync(() => {
                commands.push(command)
                return answer
              })
          }
        )
      const withCredentials = layer({ exitCode: 0, output: `{"ServerURL":"x","Username":"alice","Secret":"CANARY"}` })
      expect(yield* get(withCredentials)).toEqual([alice])
      expect(yield* get(withCredentials, origin("https://registry-1.docker.io"))).toEqual([alice])
      expect(commands).toMatchObject([
        { program: "docker-credential-store", args: ["get"], input: "registry.example.com", maxBytes: 65536 },
        { program: "docker-credential-hub", args: ["get"], input: "https://index.docker.io/v1/" }
      ])
      const withoutCredentials = layer({ exitCode: 1, output: "credentials not found in native keychain\n" })
      expect(yield* get(withoutCredentials)).toMatchObject([{ username: "stored" }])
      // CVE-2021-41092: a broken helper does not count as a helper without credentials.
      expect(yield* Effect.flip(get(layer({ exitCode: 1, output: "the store is locked" })))).toMatchObject({
        message: "cannot get the credentials of https://registry.example.com from docker-credential-store: " +
          "it failed with exit code 1 (the store is locked); log in to registry.example.com again"
      })
    }))

  it.effect("runs a helper once for concurrent lookups", () =>
    Effect.gen(function*() {
      let count = 0
      const layer = docker({ DOCKER_AUTH_CONFIG: `{"credsStore":"store"}` }, {}, {
        run: () =>
          Effect.delay(
            Effect.sync(() => {
              count++
              return { exitCode: 0, output: `{"Username":"alice","Secret":"CANARY"}` }
            }),
            "1 second"
          )
      })
      const all = Effect.flatMap(Credentials.Credentials, (service) =>
        Effect.forEach(["a", "b", "c"], (name) => service.get(example, name), { concurrency: "unbounded" }))
      const fiber = yield* Effect.fork(Effect.provide(all, layer))
      yield* TestClock.adjust("1 second")
      expect(yield* fiber).toEqual([[alice], [alice], [alice]])
      expect(count).toBe(1)
    }))

  it.effect("fails with advice if helpers cannot be run", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(get(docker({ DOCKER_AUTH_CONFIG: `{"credsStore":"store"}` }, {})))
      expect(failure.message).toMatch(/docker-credential-store cannot be run on this platform/)
    }))

  it.effect("layerCaller returns what the caller presented, for its host only", () =>
    Effect.gen(function*() {
      const layer = Credentials.layerCaller({ host: "registry.example.com" })
      const basic = Effect.provideService(Caller.Presented, {
        _tag: "Basic",
        username: "alice",
        password: Redacted.make("CANARY")
      })
      expect(yield* get(layer)).toEqual([])
      expect(yield* basic(get(layer))).toEqual([alice])
      expect(yield* basic(get(layer, example, "team/app"))).toEqual([alice])
      expect(yield* basic(get(layer, origin("https://other.example.com")))).toEqual([])
      expect(yield* basic(get(layer, origin("https://registry.example.com:8443")))).toEqual([])
      const bearer = Effect.provideService(Caller.Presented, { _tag: "Bearer", token: Redacted.make("CANARY") })
      expect(yield* bearer(get(layer))).toEqual([Credential.registryToken("CANARY")])
      const { dependsOnCaller } = yield* Effect.provide(
        Credentials.Credentials,
        Credentials.firstOf(Credentials.layerStatic({}), layer)
      )
      expect(dependsOnCaller).toBe(true)
    }))
})
