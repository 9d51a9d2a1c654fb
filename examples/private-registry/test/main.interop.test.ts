/** Builds the example and runs it as a program, with a certificate of a private authority, and runs skopeo against it. */
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll } from "vitest"
import * as example from "./example.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const main = join(root, "dist/main.js")
const tsc = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url))

const build = (): void => {
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-b", root], { encoding: "utf8" })
  if (status !== 0) throw new Error(stdout)
}

/** Runs the example until the scope closes. Returns when it serves, with its output. */
const run = (env: Record<string, string>) =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [main], { env: { ...process.env, ...env }, stdio: "pipe" })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    let written = ""
    yield* Effect.async<void, Error>((resume) => {
      const look = (text: Buffer) => {
        written += text.toString()
        if (written.includes("until Ctrl-C")) resume(Effect.void)
      }
      child.stdout.on("data", look)
      child.stderr.on("data", look)
      child.once("close", () => resume(Effect.fail(new Error(`it ended: ${written}`))))
    })
    return { written: () => written }
  })

/** Creates a private authority, a certificate by the authority for this machine, and a key for tokens. */
const certify = (folder: string): void => {
  const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" })
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  const named = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Private authority")
  openssl("req", ...newKey, "-keyout", "tls.key", "-out", "tls.csr", ...named)
  const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
  openssl("x509", "-req", "-in", "tls.csr", ...by, "-out", "tls.crt")
  openssl("genpkey", "-algorithm", "ed25519", "-out", "token.key")
}

describe.runIf(NodePeers.have("skopeo"))("the private registry", () => {
  beforeAll(build, 120_000)

  it.scopedLive("lets skopeo log in, copy and inspect over HTTPS", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const folder = yield* example.folder
      certify(folder)
      const port = String(yield* NodePeers.freePort)
      const { written } = yield* run({
        PORT: port,
        USERS: join(folder, "users"),
        DATA: join(folder, "data"),
        TLS_CERT: join(folder, "tls.crt"),
        TLS_KEY: join(folder, "tls.key"),
        TOKEN_KEY: yield* files.readFileString(join(folder, "token.key"))
      })
      yield* files.makeDirectory(join(folder, "certs"))
      yield* files.copyFile(join(folder, "ca.crt"), join(folder, "certs", "ca.crt"))
      yield* images.writeLayoutTo(join(folder, "image"), images.image([1024]))

      const authority = `127.0.0.1:${port}`
      const at = (name: string) => `docker://${authority}/${name}:v1`
      const certs = join(folder, "certs")
      const secure = ["--tls-verify=true", "--cert-dir", certs]
      const file = (name: string) => ["--authfile", join(folder, `${name}.json`)]
      const login = (name: string, password: string) =>
        NodePeers.skopeo("login", ...secure, ...file(name), "--username", name, "--password", password, authority)
      const push = (name: string, to: string) =>
        NodePeers.skopeo(
          "copy",
          ...file(name),
          "--preserve-digests",
          "--dest-tls-verify=true",
          "--dest-cert-dir",
          certs,
          `oci:${join(folder, "image")}:v1`,
          at(to)
        )
      const inspect = (name: string, from: string) =>
        NodePeers.skopeo("inspect", ...secure, ...file(name), "--format", "{{.Digest}}", at(from))

      expect((yield* Effect.flip(NodePeers.skopeo("inspect", "--tls-verify=true", at("public/app")))).message)
        .toContain(
          "certificate"
        )
      yield* Effect.flip(login("alice", "wrong"))
      yield* login("alice", "alice-secret")
      yield* login("bob", "bob-secret")
      yield* login("admin", "admin-secret")
      yield* push("alice", "alice/app")
      yield* push("admin", "public/app")
      expect(yield* inspect("alice", "alice/app")).toMatch(/^sha256:[0-9a-f]{64}\s*$/)
      expect(yield* inspect("anonymous", "public/app")).toBe(yield* inspect("alice", "alice/app"))
      for (
        const denied of [inspect("bob", "alice/app"), inspect("anonymous", "alice/app"), push("bob", "public/app")]
      ) {
        expect((yield* Effect.flip(denied)).message).toMatch(/unauthorized|denied|authentication required/)
      }
      expect(written()).toContain("PushManifest")
      expect(written()).not.toMatch(/secret|wrong|eyJ|PRIVATE/)
    }).pipe(Effect.provide(NodeContext.layer)))

  const versions = NodePeers.missing("oci-conformance").length > 0 ? [] : ["1.1", "dev"] as const
  for (const version of versions) {
    it.scopedLive(
      `passes the official suite at version ${version} for a user who logs in`,
      () =>
        Effect.gen(function*() {
          const folder = yield* example.folder
          const port = String(yield* NodePeers.freePort)
          yield* run({ PORT: port, USERS: join(folder, "users"), DATA: join(folder, "data") })
          const credentials = { username: "alice", password: "alice-secret" }
          const report = yield* NodePeers.officialSuite({ authority: `127.0.0.1:${port}`, version, ...credentials })
          expect(report).toContain("OCI Conformance Result: Pass")
        }).pipe(Effect.provide(NodeContext.layer)),
      60_000
    )
  }
})
