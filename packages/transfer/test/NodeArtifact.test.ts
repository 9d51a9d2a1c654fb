import { Body, Descriptor, MediaType, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeArtifact from "../src/NodeArtifact.js"
import { folder } from "./folder.js"
import { app, pushBlob, pushDocument, recorded, v1 } from "./support.js"

describe("artifacts of files", () => {
  it.scoped("keep names, types and annotations through a push and a pull", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { counts, registry } = yield* recorded()
      const big = new Uint8Array(400_000).fill(9)
      writeFileSync(join(path, "policy.rego"), "package policy")
      writeFileSync(join(path, "big"), big)
      const contents: NodeArtifact.Contents = {
        artifactType: "application/vnd.example.policy.v1",
        annotations: { "org.example": "yes" },
        files: [
          { path: join(path, "policy.rego"), mediaType: "text/plain", annotations: { note: "first" } },
          { path: join(path, "big"), title: "data/big.bin" }
        ]
      }
      const pushed = yield* NodeArtifact.push({ registry, repository: app, tags: [v1] }, contents)
      const { bytes } = yield* registry.getManifest(app, v1)
      expect(JSON.parse(new TextDecoder().decode(bytes))).toMatchObject({
        mediaType: MediaType.image,
        artifactType: "application/vnd.example.policy.v1",
        config: { mediaType: MediaType.empty },
        annotations: { "org.example": "yes" },
        layers: [
          { mediaType: "text/plain", annotations: { note: "first", [NodeArtifact.title]: "policy.rego" } },
          { size: 400_000, annotations: { [NodeArtifact.title]: "data/big.bin" } }
        ]
      })

      counts()
      expect((yield* NodeArtifact.push({ registry, repository: app }, contents)).digest).toBe(pushed.digest)
      expect(counts()).toEqual({ ResolveBlob: 3, PushManifest: 1 })

      const out = join(path, "out")
      const pulled = yield* NodeArtifact.pull({ registry, repository: app, reference: v1 }, out)
      expect(pulled.map((each) => each.path)).toEqual([join(out, "policy.rego"), join(out, "data", "big.bin")])
      expect(readFileSync(join(out, "policy.rego"), "utf8")).toBe("package policy")
      expect(Buffer.compare(readFileSync(join(out, "data", "big.bin")), big)).toBe(0)
      expect(readdirSync(join(out, "data"))).toEqual(["big.bin"])

      const again = NodeArtifact.pull({ registry, repository: app, reference: v1 }, out)
      expect((yield* Effect.flip(again)).message).toContain(
        "policy.rego as a file of an artifact: the file exists; set `overwrite` to replace it"
      )
      yield* NodeArtifact.pull({ registry, repository: app, reference: v1 }, out, { overwrite: true })
    }))

  it.scoped("may have names of the maximum length of a file name", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { registry } = yield* recorded()
      writeFileSync(join(path, "file"), "content")
      const title = "n".repeat(255)
      yield* NodeArtifact.push({ registry, repository: app, tags: [v1] }, {
        artifactType: "application/vnd.example.v1",
        files: [{ path: join(path, "file"), title }]
      })
      yield* NodeArtifact.pull({ registry, repository: app, reference: v1 }, join(path, "out"))
      expect(readdirSync(join(path, "out"))).toEqual([title])
    }))

  it.scoped("may have a subject, and may have no files", () =>
    Effect.gen(function*() {
      const { registry } = yield* recorded()
      const subject = yield* pushDocument(registry, MediaType.image, {
        config: yield* pushBlob(registry, "{}", MediaType.empty),
        layers: []
      })
      const pushed = yield* NodeArtifact.push({ registry, repository: app }, {
        artifactType: "a/signature",
        files: [],
        subject,
        annotations: { signature: "c2ln" }
      })
      const referrers = Chunk.toReadonlyArray(yield* Stream.runCollect(registry.listReferrers(app, subject.digest)))
      expect(referrers).toMatchObject([{ digest: pushed.digest, artifactType: "a/signature" }])
    }))

  it.scoped("are never written outside of the folder, nor through a link", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { registry } = yield* recorded()
      const out = join(path, "out")
      mkdirSync(out)
      symlinkSync(path, join(out, "link"))
      const layer = yield* pushBlob(registry, "escaped")
      const config = yield* pushBlob(registry, "{}", MediaType.empty)
      const titled = (...titles: ReadonlyArray<string>) =>
        pushDocument(registry, MediaType.image, {
          config,
          layers: titles.map((name) => ({ ...layer, annotations: { [NodeArtifact.title]: name } }))
        }, [Tag.make("bad")])
      const names = [
        "../escaped",
        "a/../../escaped",
        "/escaped",
        "..",
        ".",
        "",
        "a//b",
        "c:escaped",
        "a\\..\\escaped",
        "esc\u0000aped",
        "link/escaped",
        "x".repeat(300)
      ]
      for (const name of names) {
        yield* titled(name)
        const error = yield* Effect.flip(
          NodeArtifact.pull({ registry, repository: app, reference: Tag.make("bad") }, out, { overwrite: true })
        )
        expect(error._tag).toBe("OciFileRefused")
      }
      yield* titled("same", "same")
      const twice = yield* Effect.flip(
        NodeArtifact.pull({ registry, repository: app, reference: Tag.make("bad") }, out)
      )
      expect(twice.message).toContain("two layers of the artifact have this title")
      expect(existsSync(join(path, "escaped"))).toBe(false)
      expect(readdirSync(out)).toEqual(["link"])
    }))

  it.scoped("refuse titles that mislead, that a system reserves, or that change what git does, unless any are allowed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { registry } = yield* recorded()
      const layer = yield* pushBlob(registry, "content")
      const config = yield* pushBlob(registry, "{}", MediaType.empty)
      const pulled = (title: string, titles?: "any") =>
        Effect.zipRight(
          pushDocument(registry, MediaType.image, {
            config,
            layers: [{ ...layer, annotations: { [NodeArtifact.title]: title } }]
          }, [v1]),
          NodeArtifact.pull({ registry, repository: app, reference: v1 }, join(path, "out"), {
            titles,
            overwrite: true
          })
        )
      const misleading = [
        "invoice\u202Efdp.exe",
        "zero\u200Bwidth",
        "line\u2028break",
        "escape\u001B[31m",
        ".git/config",
        "a/.GIT/hooks/post-checkout",
        "git~1/config",
        "CON",
        "a/nul.txt",
        "com1",
        "LPT9.log",
        "ends with a dot.",
        "ends with a space ",
        "what?",
        "a<b",
        "pipe|"
      ]
      for (const title of misleading) {
        const error = yield* Effect.flip(pulled(title))
        expect(error).toMatchObject({ _tag: "OciFileRefused", path: join(path, "out") })
        expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }
      expect(existsSync(join(path, "out"))).toBe(false)
      for (const title of [".github/ci.yml", ".gitignore", "console.log", "naïve café.txt", "日本.txt", "a b"]) {
        yield* pulled(title)
      }
      yield* pulled(".git/config", "any")
      expect((yield* Effect.flip(pulled("../escaped", "any")))._tag).toBe("OciFileRefused")
      writeFileSync(join(path, "file"), "content")
      const pushed = NodeArtifact.push({ registry, repository: app }, {
        artifactType: "a/b",
        files: [{ path: join(path, "file"), title: ".git/config" }]
      })
      expect((yield* Effect.flip(pushed))._tag).toBe("OciFileRefused")
    }))

  it.scoped("name a refused title in a short line without control characters", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { registry } = yield* recorded()
      const layer = yield* pushBlob(registry, "content")
      const config = yield* pushBlob(registry, "{}", MediaType.empty)
      for (
        const title of [`\u001B]0;x\u0007\u202E\n${"long".repeat(200_000)}`, `${"a/".repeat(20)}${"n".repeat(400)}`]
      ) {
        yield* pushDocument(registry, MediaType.image, {
          config,
          layers: [{ ...layer, annotations: { [NodeArtifact.title]: title } }]
        }, [v1])
        const { message } = yield* Effect.flip(NodeArtifact.pull({ registry, repository: app, reference: v1 }, path))
        expect(message.length).toBeLessThan(2000)
        expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      }
      const refused = new NodeArtifact.FileRefused({
        path: `a\u202E${"b".repeat(5000)}`,
        reason: `\u001B[2J${"c".repeat(5000)}`
      })
      expect(refused.message).toMatch(/^cannot use a\\u202eb+… as a file of an artifact: \\u001b\[2Jc+…$/)
      expect(refused.message.length).toBeLessThan(2000)
    }))

  it.scoped("leave no file behind if its content is wrong", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const bytes = new TextEncoder().encode("the real thing")
      const { registry } = yield* recorded({
        wrap: (next) => (operation) =>
          operation._tag === "GetBlob"
            ? Effect.map(next(operation), (content) =>
              Object.assign(Object.create(Object.getPrototypeOf(content)), content, {
                body: Body.bytes(new TextEncoder().encode("not the thing!")),
                verified: false
              }) as never)
            : next(operation)
      })
      yield* registry.pushBlob(app, Descriptor.fromBytes(bytes), Body.bytes(bytes))
      const config = yield* pushBlob(registry, "{}", MediaType.empty)
      yield* pushDocument(registry, MediaType.image, {
        config,
        layers: [{ ...Descriptor.fromBytes(bytes), annotations: { [NodeArtifact.title]: "thing" } }]
      }, [v1])
      const error = yield* Effect.flip(NodeArtifact.pull({ registry, repository: app, reference: v1 }, path))
      expect(error._tag).toBe("OciDigestInvalid")
      expect(readdirSync(path)).toEqual([])
    }))

  it.scoped("name the file that cannot be read", () =>
    Effect.gen(function*() {
      const { registry } = yield* recorded()
      const error = yield* Effect.flip(
        NodeArtifact.push({ registry, repository: app }, { artifactType: "a/b", files: [{ path: "/nowhere/file" }] })
      )
      expect(error.message).toBe("cannot use /nowhere/file as a file of an artifact: there is no such file")
    }))
})
