/** Builds the command and runs it as a program, with servers of this project. */
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import * as NodeEvilRegistry from "@effect-oci/conformance/NodeEvilRegistry"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll } from "vitest"

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** The build takes half a minute in a clean clone, and a second after that. */
const build = (): void => {
  const tsc = path("../../../node_modules/typescript/bin/tsc")
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-b", path("..")], { encoding: "utf8" })
  if (status !== 0) throw new Error(stdout)
}

const run = (...args: ReadonlyArray<string>) => runWith({}, ...args)

const runWith = (env: { readonly [name: string]: string }, ...args: ReadonlyArray<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const running = yield* Command.start(
      Command.make(process.execPath, path("../dist/main.js"), ...args).pipe(
        Command.env({ DOCKER_CONFIG: "/nowhere", HOME: "/nowhere", ...env })
      )
    )
    const [stdout, stderr, exitCode] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(running.stdout)),
      Stream.mkString(Stream.decodeText(running.stderr)),
      running.exitCode
    ], { concurrency: 3 })
    return { exitCode: Number(exitCode), stdout, stderr }
  }))

const served = Effect.map(
  Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Memory.layer()))),
  (context) => ({
    registry: Context.get(context, Registry),
    host: Context.get(context, NodeRegistryServer.Address).authority
  })
)

const app = RepositoryName.make("team/app")
const v1 = Tag.make("v1")

/** Pushes an index with an image for this machine and one for another architecture, and an SBOM of the index. */
const pushIndex = (registry: Registry["Type"]) =>
  Effect.gen(function*() {
    const document = (mediaType: string, fields: object, tags: ReadonlyArray<Tag.Tag> = []) => {
      const manifest = Fixtures.document(mediaType, fields)
      return Effect.as(
        registry.pushManifest(app, { ...manifest, tags }),
        Descriptor.fromBytes(manifest.bytes, mediaType)
      )
    }
    const image = (architecture: string, tags: ReadonlyArray<Tag.Tag> = []) =>
      Effect.gen(function*() {
        const bytes = new TextEncoder().encode(JSON.stringify({ architecture, os: "linux" }))
        const config = Descriptor.fromBytes(bytes, MediaType.imageConfig)
        yield* registry.pushBlob(app, config, Body.bytes(bytes))
        return {
          ...(yield* document(MediaType.image, { config, layers: [] }, tags)),
          platform: { os: "linux", architecture }
        }
      })
    const [ownPlatform, other] = [
      yield* image(process.arch === "x64" ? "amd64" : process.arch),
      yield* image("riscv64")
    ]
    const index = yield* document(MediaType.index, { manifests: [ownPlatform, other] }, [v1])
    yield* document(MediaType.index, { manifests: [], artifactType: "an/sbom", subject: index })
    yield* image("signed", [Tag.make(`${index.digest.replace(":", "-")}.sig`)])
    return { index, ownPlatform, other }
  })

const provided = Effect.provide(NodeContext.layer)

beforeAll(build, 120_000)

describe("the command", () => {
  it.scopedLive(
    "copies the image for this machine, for another platform, or all, with referrers",
    () =>
      Effect.gen(function*() {
        const source = yield* served
        const target = yield* served
        const { index, other, ownPlatform } = yield* pushIndex(source.registry)
        const from = `${source.host}/${app}:v1`
        const digest = (name: string) =>
          Effect.map(target.registry.resolveManifest(RepositoryName.make(name), v1), (found) => found.digest)

        const one = yield* run(from, `${target.host}/one:v1`)
        expect(one).toMatchObject({ exitCode: 0, stderr: "" })
        expect(one.stdout).toMatch(/^copying 1 manifest and 1 blob \(\d+ B\)$/m)
        expect(one.stdout).toMatch(/^config {3}sha256:\w{12} copied, \d+ B$/m)
        const to = `${target.host}/one:v1`
        expect(one.stdout).toMatch(
          new RegExp(`^copied ${ownPlatform.digest} to ${to}: 1 manifest and 1 blob \\(\\d+ B\\), in `, "m")
        )
        const again = yield* run(from, to)
        expect(again.stdout).toMatch(
          new RegExp(`^nothing to copy: ${to} already has ${ownPlatform.digest} \\(1 manifest\\)$`, "m")
        )
        expect(again.stdout).not.toContain("copying")
        expect(yield* digest("one")).toBe(ownPlatform.digest)

        yield* run("--platform", "linux/riscv64", from, `${target.host}/two:v1`)
        expect(yield* digest("two")).toBe(other.digest)

        const dry = yield* run("--all", "--dry-run", from, `${target.host}/all:v1`)
        expect(dry.stdout).toMatch(new RegExp(`^would copy ${index.digest} to \\S+: 3 manifests and 2 blobs `, "m"))
        const all = yield* run("--all", "--referrers", "--concurrency", "1", from, `${target.host}/all:v1`)
        expect(all.stdout).toMatch(/: 5 manifests and 3 blobs \(\d+ B\), with 1 signature, in /)
        expect(yield* digest("all")).toBe(index.digest)
        const referrers = yield* Stream.runCollect(
          target.registry.listReferrers(RepositoryName.make("all"), index.digest)
        )
        expect(referrers).toHaveLength(1)
      }).pipe(provided),
    60_000
  )

  it.scopedLive("copies to layouts and archives, and from them", () =>
    Effect.gen(function*() {
      const source = yield* served
      const target = yield* served
      const { ownPlatform } = yield* pushIndex(source.registry)
      const folder = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const layout = `oci:${join(folder, "layout")}`
      const archive = `oci-archive:${join(folder, "app.tar")}`
      for (
        const [from, to] of [
          [`${source.host}/${app}:v1`, layout],
          [layout, `${archive}:v2`],
          [archive, `${target.host}/${app}:v1`]
        ] as const
      ) expect(yield* run(from, to)).toMatchObject({ exitCode: 0, stderr: "" })
      expect((yield* target.registry.resolveManifest(app, v1)).digest).toBe(ownPlatform.digest)
    }).pipe(provided), 60_000)

  it.live(
    "prints an error in one line, and exits with 1, or with 2 after a wrong argument",
    () =>
      Effect.gen(function*() {
        const target = "127.0.0.1:1/b:c"
        for (
          const [args, exitCode, says] of [
            [
              ["127.0.0.1:1/a:b", target],
              1,
              /^copy: cannot read the source 127.0.0.1:1\/a:b: cannot reach 127.0.0.1:1/
            ],
            [["oci:/nowhere", target], 1, /^copy: cannot read the source oci:\/nowhere: cannot use \/nowhere as /],
            [["a b", "b"], 1, /^copy: invalid reference "a b": /],
            [[], 2, /^copy: SOURCE and TARGET are missing\nusage: copy \[OPTIONS\] SOURCE TARGET$/m]
          ] as const
        ) {
          const { stderr, ...ended } = yield* run(...args)
          expect(ended).toMatchObject({ exitCode })
          expect(`${stderr}${ended.stdout}`).toMatch(says)
          if (exitCode === 1) expect(stderr.trim().split("\n")).toHaveLength(1)
        }
      }).pipe(provided),
    60_000
  )

  it.live("prints its help and its usage without escape sequences", () =>
    Effect.gen(function*() {
      const help = yield* runWith({ FORCE_COLOR: "1" }, "--help")
      expect(help).toMatchObject({ exitCode: 0, stderr: "" })
      expect(help.stdout).toMatch(/^usage: copy \[OPTIONS\] SOURCE TARGET$/m)
      expect(help.stdout).toMatch(/^ {2}docker-archive:FILE\[:NAME\[:TAG\]\] /m)
      expect(help.stdout).not.toContain("\u001B")
    }).pipe(provided))

  it.scopedLive("refuses an image for another platform, a dry run creates nothing", () =>
    Effect.gen(function*() {
      const source = yield* served
      const { other } = yield* pushIndex(source.registry)
      const folder = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const single = `${source.host}/${app}@${other.digest}`
      const layout = `oci:${join(folder, "layout")}`
      const refused = yield* run("--platform", "windows/amd64", single, layout)
      expect(refused).toMatchObject({ exitCode: 1 })
      expect(refused.stderr).toContain("the image is for linux/riscv64, not for windows/amd64")
      for (const target of [`oci:${join(folder, "dry")}`, `oci-archive:${join(folder, "dry.tar")}`]) {
        const dry = yield* run("--dry-run", single, target)
        expect(dry).toMatchObject({ exitCode: 0, stderr: "" })
        expect(dry.stdout).toContain(`would copy ${other.digest} to ${target}: 1 manifest and 1 blob`)
      }
      expect(existsSync(join(folder, "dry")) || existsSync(join(folder, "dry.tar"))).toBe(false)
      expect(yield* run(single, layout)).toMatchObject({ exitCode: 0 })
    }).pipe(provided), 60_000)

  it.scopedLive(
    "fails if the tag points at another digest than the reference's, and not if the tag does not exist",
    () =>
      Effect.gen(function*() {
        const source = yield* served
        const target = yield* served
        const { index, other } = yield* pushIndex(source.registry)
        const to = `${target.host}/b:v1`
        const moved = yield* run(`${source.host}/${app}:v1@${other.digest}`, to)
        expect(moved).toMatchObject({ exitCode: 1 })
        expect(moved.stderr).toMatch(
          new RegExp(`^copy: cannot read the source .*${index.digest}, not at the digest ${other.digest}`)
        )
        expect(yield* run(`${source.host}/${app}:gone@${other.digest}`, to)).toMatchObject({ exitCode: 0, stderr: "" })
        const wrong = yield* run(`${source.host}/${app}:v1`, `${to}@${other.digest}`, "--all")
        expect(wrong).toMatchObject({ exitCode: 1 })
        expect(wrong.stderr).toContain(`the copied manifest would have the digest ${index.digest}, but`)
      }).pipe(provided),
    60_000
  )

  it.scopedLive(
    "reads and writes archives of docker save, and chooses among several images",
    () =>
      Effect.gen(function*() {
        const source = yield* served
        const target = yield* served
        const { ownPlatform } = yield* pushIndex(source.registry)
        const folder = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
        const archive = `docker-archive:${join(folder, "app.tar")}`
        const layout = `oci:${join(folder, "layout")}`
        expect(yield* run(`${source.host}/${app}:v1`, `${archive}:team/app:v7`)).toMatchObject({ exitCode: 0 })
        expect(yield* run(archive, layout)).toMatchObject({ exitCode: 0, stderr: "" })
        expect(yield* run(`${source.host}/${app}@${ownPlatform.digest}`, layout)).toMatchObject({ exitCode: 0 })
        expect(yield* run(`${layout}@${ownPlatform.digest}`, `${target.host}/${app}:v1`)).toMatchObject({ exitCode: 0 })
        expect((yield* target.registry.resolveManifest(app, v1)).digest).toBe(ownPlatform.digest)
        const missing = yield* run(`${layout}:v8`, `${target.host}/${app}:v8`)
        expect(missing.stderr).toContain(`cannot find "v8" in ${join(folder, "layout")}: it contains v7`)
      }).pipe(provided),
    60_000
  )

  it.scopedLive("explains a copy without a write, and holds a copy to the explanation", () =>
    Effect.gen(function*() {
      const source = yield* served
      const target = yield* served
      yield* pushIndex(source.registry)
      const folder = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const [file, config, to] = [join(folder, "copy.json"), join(folder, "config.json"), `${target.host}/one`]
      const auth = Buffer.from("alice:CANARY").toString("base64")
      writeFileSync(config, JSON.stringify({ auths: { [target.host]: { auth } } }))
      const env = { DOCKER_CONFIG: folder }

      const explained = yield* runWith(env, "--explain-to", file, `${source.host}/${app}:v1`, `${to}:v1`)
      expect(explained).toMatchObject({ exitCode: 0, stderr: "" })
      expect(explained.stdout).toContain(`http://${target.host}
  credentials: ${config}, key ${target.host} (a user and a password)
  scope: repository:one:pull,push
`)
      expect(explained.stdout).toMatch(/^ {3}1x {3}PUT {4}\/v2\/one\/manifests\/v1$/m)
      expect(explained.stdout).not.toContain("CANARY")
      expect((yield* Effect.flip(target.registry.resolveManifest(RepositoryName.make("one"), v1)))._tag)
        .toBe("OciNameUnknown")

      const held = yield* run("--enforce", file, `${source.host}/${app}:v1`, `${to}:v1`)
      expect(held).toMatchObject({ exitCode: 0, stderr: "" })
      const refused = yield* run("--enforce", file, `${source.host}/${app}:v1`, `${target.host}/two:v1`)
      expect(refused).toMatchObject({ exitCode: 1 })
      expect(refused.stderr).toMatch(/^copy: cannot write the target .*does not contain the scope repository:two:pull/)

      const layout = yield* run("--explain", `${source.host}/${app}:v1`, `oci:${join(folder, "layout")}`)
      expect(layout).toMatchObject({ exitCode: 0, stderr: "" })
      expect(layout.stdout).toMatch(/^ {3}1x {3}PushManifest /m)
      expect(existsSync(join(folder, "layout"))).toBe(false)
    }).pipe(provided), 60_000)

  it.scopedLive("uses TLS for a registry on this machine with --tls", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const file = (name: string) => join(folder, name)
      writeFileSync(file("cert"), NodeEvilRegistry.certificate.cert)
      const requests: Array<string> = []
      const server = createServer(
        NodeEvilRegistry.certificate,
        (request, response) => {
          requests.push(`${request.method} ${request.url}`)
          response.writeHead(404, { "content-type": "application/json" }).end(
            "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}"
          )
        }
      )
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => server.close())
      )
      const from = `127.0.0.1:${(server.address() as AddressInfo).port}/a:b`
      const { exitCode, stderr } = yield* runWith(
        { NODE_EXTRA_CA_CERTS: file("cert") },
        "--tls",
        from,
        `oci:${file("out")}`
      )
      expect(exitCode).toBe(1)
      expect(stderr).toMatch(/^copy: cannot read the source 127.0.0.1:\d+\/a:b: .*manifest unknown/)
      expect(requests).toContain("GET /v2/a/manifests/b")
    }).pipe(provided), 60_000)
})
