import { RepositoryName, Tag } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { gzipSync } from "node:zlib"
import { hasBrowser, serve, setup, visit } from "./browser.js"
import { encode, files, push } from "./images.js"

const app = RepositoryName.make("team/app")
const [v1, v2] = [Tag.make("v1"), Tag.make("v2")]

const config = {
  created: "2026-01-02T03:04:05Z",
  os: "linux",
  architecture: "arm64",
  config: {
    Entrypoint: ["/bin/app", "--port", "80 80"],
    Env: ["PATH=/bin", "EMPTY="],
    Labels: { "org.opencontainers.image.source": "https://example.com/source" },
    ExposedPorts: { "80/tcp": {} }
  },
  history: [
    { created_by: "/bin/sh -c #(nop) ADD file:1 in /", created: "2026-01-02T03:04:05Z" },
    { created_by: "/bin/sh -c #(nop) ENV PATH=/bin", empty_layer: true },
    { created_by: "RUN /bin/sh -c make # buildkit" }
  ]
}

const layers = Effect.all([
  files({ "etc/os-release": "NAME=Test\n", "bin/app": new Uint8Array([0, 1, 2]) }),
  files({ "srv/readme.md": "# Read me\n", "srv/.wh.old": "" })
])

describe.runIf(hasBrowser)("the page", () => {
  setup()

  it.scopedLive("leads from the registry to a repository, a tag, a layer and a file, and back", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      yield* push(registry, app, { layers: yield* layers, config }, v1)
      const { act, problems } = yield* visit(origin, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByRole("link", { name: "team/app" }).click()
        await page.getByRole("link", { name: "v1" }).click()
        await page.getByRole("heading", { name: "team/app:v1" }).waitFor()
        await page.getByText("linux/arm64").waitFor()
        await page.getByText(`/bin/app --port "80 80"`).waitFor()
        await page.getByText("RUN make # buildkit").waitFor()
        expect(await page.getByRole("link", { name: "https://example.com/source" }).getAttribute("rel")).toContain(
          "noopener"
        )
        await page.getByRole("link", { name: "Files of layer 2" }).click()
        await page.getByText("2 entries").waitFor()
        await page.getByRole("link", { name: "srv/", exact: true }).click()
        await page.getByText("deleted by this layer").waitFor()
        await page.getByRole("link", { name: "readme.md" }).click()
        await page.getByText("# Read me").waitFor()
        expect(new URL(page.url()).hash).toMatch(
          /^#\/team\/app@sha256:[0-9a-f]{64}\?layer=sha256.*&file=srv%2Freadme\.md$/
        )
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("button", { name: "Download" }).click()
        ])
        expect(download.suggestedFilename()).toBe("readme.md")
        for (let step = 0; step < 3; step++) await page.goBack()
        await page.getByRole("heading", { name: "team/app:v1" }).waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("opens an address that was shared, in its first view within a second", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      yield* push(registry, app, { layers: yield* layers, config }, v1)
      const { act } = yield* visit(origin, { origins: [origin] })
      const load = () =>
        act(async (page) => {
          await page.goto("about:blank")
          const start = performance.now()
          await page.goto(`${origin}/#/team/app:v1`)
          await page.getByText("linux/arm64").waitFor()
          return performance.now() - start
        })
      // Other programs on the machine may delay some of the loads, but not all.
      const millis = yield* Effect.all(Array.from({ length: 5 }, load))
      expect(Math.min(...millis)).toBeLessThan(1000)
    }))

  it.scopedLive("shows a push without a reload: a new repository, a new tag, and a tag that moved", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      const { act } = yield* visit(origin, { origins: [origin] })
      yield* act((page) => page.getByText("There is nothing here yet").waitFor())
      yield* push(registry, app, { layers: yield* layers, config }, v1)
      yield* act((page) => page.getByRole("link", { name: "team/app" }).click())
      yield* act((page) => page.getByRole("link", { name: "v1" }).waitFor())
      yield* push(registry, app, { layers: yield* layers }, v2)
      yield* act((page) => page.getByRole("link", { name: "v2" }).click())
      yield* act((page) => page.getByRole("heading", { name: "Files" }).waitFor())
      yield* push(registry, app, { layers: yield* layers, config }, v2)
      yield* act((page) => page.getByText("linux/arm64").waitFor())
    }))

  it.scopedLive(
    "lists 10,000 repositories and 100,000 tags, and searches them as the user types",
    () =>
      Effect.gen(function*() {
        const names = Array.from({ length: 10_000 }, (_, at) => `group${String(at % 100).padStart(2, "0")}/app${at}`)
          .sort()
        const tags = Array.from({ length: 100_000 }, (_, at) => `1.${at >> 8}.${at & 255}`).sort()
        const page = <A extends string>(items: ReadonlyArray<string>, last?: string, limit?: number) =>
          Effect.succeed(Stream.fromIterable(
            items.filter((item) => last === undefined || item > last).slice(0, limit) as ReadonlyArray<
              string
            > as ReadonlyArray<A>
          ))
        const { origin } = yield* serve({
          wrap: (next) => (operation) => {
            const list: Operation.Operation = operation
            return (list._tag === "ListRepositories"
              ? page(names, list.last, list.limit)
              : list._tag === "ListTags"
              ? page(tags, list.last, list.limit)
              : next(operation)) as never
          }
        })
        const { act, problems } = yield* visit(origin, { origins: [origin] })
        yield* act(async (page) => {
          await page.getByText("10,000 repositories", { exact: true }).waitFor()
          await page.getByLabel("Search repositories").fill("group07 app9")
          await page.getByText(/^\d+ of 10,000 repositories$/).waitFor()
          expect(await page.locator(".names a").count()).toBeLessThanOrEqual(200)
          await page.goto(`${origin}/#/group07/app7`)
          await page.getByRole("link", { name: "1.390.159" }).first().waitFor({ timeout: 30_000 })
          await page.getByText("100,000 tags", { exact: true }).waitFor({ timeout: 30_000 })
          expect(await page.locator(".tags tbody tr").count()).toBe(50)
          const start = performance.now()
          await page.getByLabel("Search tags").fill("1.77.")
          await page.getByText("256 of 100,000 tags").waitFor()
          expect(performance.now() - start).toBeLessThan(2000)
          await page.getByRole("button", { name: "Show more" }).click()
          expect(await page.locator(".tags tbody tr").count()).toBe(100)
        })
        expect(problems).toEqual([])
      }),
    120_000
  )

  it.scopedLive("shows a manifest of 127 layers with their history", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      const many = Array.from({ length: 127 }, (_, at) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
        bytes: gzipSync(encode(`layer ${at}`.repeat(at * 40)))
      }))
      const history = many.map((_, at) => ({ created_by: `RUN step ${at + 1}` }))
      yield* push(registry, app, { layers: many, config: { ...config, history } }, v1)
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("RUN step 127", { exact: true }).waitFor()
        expect(await page.locator(".steps > li").count()).toBe(127)
        expect(await page.locator(".bar-of-sizes span").count()).toBe(127)
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("compares two images: config, layers, and files on request", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      const [base, more] = yield* layers
      yield* push(registry, app, { layers: [base], config: { ...config, history: [] } }, v1)
      const env = { ...config.config, Env: ["PATH=/usr/bin", "ADDED=1"] }
      yield* push(registry, app, { layers: [base, more], config: { ...config, config: env, history: [] } }, v2)
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByLabel("With the tag").fill("v2")
        await page.getByRole("button", { name: "Compare" }).click()
        await page.getByRole("row", { name: "Environment: PATH /bin /usr/bin" }).waitFor()
        await page.getByRole("row", { name: "Environment: ADDED – 1" }).waitFor()
        await page.getByRole("row", { name: "Environment: EMPTY" }).waitFor()
        await page.getByRole("button", { name: /^Read and compare 1 layer/ }).click()
        await page.getByRole("row", { name: /^srv\/readme\.md – 10 bytes/ }).waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("shows an SBOM and an attestation that refer to an image, and what refers to these", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      const image = yield* push(registry, app, { layers: yield* layers, config }, v1)
      const sbom = yield* push(registry, app, {
        artifactType: "application/spdx+json",
        subject: image,
        layers: [{
          mediaType: "application/spdx+json",
          bytes: encode({
            spdxVersion: "SPDX-2.3",
            packages: [{ name: "openssl", versionInfo: "3.0.1", licenseDeclared: "Apache-2.0" }]
          })
        }]
      })
      yield* push(registry, app, {
        artifactType: "application/vnd.in-toto+json",
        subject: sbom,
        layers: [{
          mediaType: "application/vnd.dsse.envelope.v1+json",
          bytes: encode({
            payloadType: "application/vnd.in-toto+json",
            payload: Buffer.from(encode({
              _type: "https://in-toto.io/Statement/v1",
              predicateType: "https://slsa.dev/provenance/v1",
              subject: [{ name: "app", digest: { sha256: "00" } }],
              predicate: { runDetails: { builder: { id: "https://builder.example/1" } } }
            })).toString("base64"),
            signatures: [{ sig: "AA==" }]
          })
        }]
      })
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText(/^application\/spdx\+json/).click()
        await page.getByRole("row", { name: "openssl 3.0.1 Apache-2.0" }).waitFor()
        await page.getByText(/^application\/vnd\.in-toto\+json/).click()
        await page.getByRole("link", { name: "https://builder.example/1" }).waitFor()
        await page.getByText("1 signature, which this page does not verify").waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("adds a tag, copies, attaches annotations, and deletes after it has shown what else goes", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      const { digest } = yield* push(registry, app, { layers: yield* layers, config }, v1)
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      const section = (title: string) => act((page) => page.getByText(title, { exact: true }).click())
      yield* section("Add a tag")
      yield* act(async (page) => {
        await page.locator("form", { hasText: "Add the tag" }).getByLabel("Tag", { exact: true }).fill("latest")
        await page.getByRole("button", { name: "Add the tag" }).click()
        await page.getByRole("link", { name: "team/app:latest" }).waitFor()
      })
      yield* push(registry, app, { layers: yield* layers }, v2)
      yield* act(async (page) => {
        await page.locator("form", { hasText: "Add the tag" }).getByLabel("Tag", { exact: true }).fill("v2")
        await page.getByRole("button", { name: "Add the tag" }).click()
        await page.getByText("The tag exists already.").waitFor()
        await page.locator("form", { hasText: "Add the tag" }).getByLabel("Move the tag").check()
        await page.getByRole("button", { name: "Add the tag" }).click()
        await page.getByRole("link", { name: "team/app:v2" }).waitFor()
      })
      expect((yield* registry.resolveManifest(app, v2)).digest).toBe(digest)
      yield* registry.deleteTag(app, v2)
      yield* section("Copy to another repository")
      yield* act(async (page) => {
        await page.getByLabel("To the repository").fill("other/app")
        await page.getByRole("button", { name: "Copy", exact: true }).click()
        await page.getByRole("link", { name: "other/app:v1" }).waitFor()
      })
      yield* section("Attach annotations")
      yield* act(async (page) => {
        await page.getByLabel(/^Annotations/).fill("reviewed-by=alice\nlevel=2")
        await page.getByRole("button", { name: "Attach" }).click()
        await page.getByText("Attached.").waitFor()
      })
      const other = yield* registry.getManifest(RepositoryName.make("other/app"), v1)
      expect(other.descriptor.digest).toBe(digest)
      const [referrer] = Array.from(yield* Stream.runCollect(registry.listReferrers(app, digest)))
      expect(referrer?.annotations).toEqual({ "reviewed-by": "alice", level: "2" })
      yield* section("Delete")
      yield* act(async (page) => {
        await page.getByText(/with it 2 tags \(latest, v1\)\.\s+1 referrer would refer to nothing/).waitFor()
        await page.getByRole("button", { name: "Delete the tag v1" }).click()
        await page.getByText("Deleted.").waitFor()
      })
      expect(Array.from(yield* Stream.runCollect(registry.listTags(app)))).toEqual(["latest"])
      yield* act(async (page) => {
        await page.goto(`${origin}/#/team/app:latest`)
        await page.getByText("Delete", { exact: true }).click()
        await page.getByRole("button", { name: "Delete the manifest" }).click()
        await page.getByText("Deleted.").waitFor()
      })
      expect(Array.from(yield* Stream.runCollect(registry.listTags(app)))).toEqual([])
      expect(problems).toEqual([])
    }))

  it.scopedLive("uploads a small and a large file as one artifact", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      const { act, problems } = yield* visit(`${origin}/#/team/files`, { origins: [origin] })
      const large = Buffer.alloc(9 * 1024 * 1024 + 7, "x")
      yield* act(async (page) => {
        await page.locator("input[type=file]").setInputFiles([
          { name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("hello") },
          { name: "large.bin", mimeType: "", buffer: large }
        ])
        await page.getByLabel("Tag", { exact: true }).fill("v1")
        await page.getByRole("button", { name: "Upload as an artifact" }).click()
        await page.getByRole("link", { name: "team/files:v1" }).click()
        await page.getByText("Show note.txt").click()
        await page.getByText("hello", { exact: true }).waitFor()
      })
      const files = RepositoryName.make("team/files")
      const manifest = yield* registry.getManifest(files, v1)
      const { layers } = JSON.parse(new TextDecoder().decode(manifest.bytes))
      expect(layers.map((layer: { size: number }) => layer.size)).toEqual([5, large.byteLength])
      expect(problems).toEqual([])
    }))

  it.scopedLive("takes a file that is dropped on it", () =>
    Effect.gen(function*() {
      const { origin } = yield* serve()
      const { act, problems } = yield* visit(origin, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("There is nothing here yet").waitFor()
        await page.evaluate(() => {
          const dataTransfer = new DataTransfer()
          dataTransfer.items.add(new File(["dropped"], "dropped.txt", { type: "text/plain" }))
          const event = (name: string) => new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true })
          document.body.dispatchEvent(event("dragover"))
          document.body.dispatchEvent(event("drop"))
        })
        await page.getByLabel("Repository", { exact: true }).fill("team/dropped")
        await page.getByLabel("Tag", { exact: true }).fill("v1")
        await page.getByRole("button", { name: "Upload as an artifact" }).click()
        await page.getByRole("link", { name: "team/dropped:v1" }).click()
        await page.getByText("dropped.txt", { exact: true }).first().waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("is used with the keyboard: the skip link, the focus after a change of view, and details", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve()
      yield* push(registry, app, { layers: yield* layers, config }, v1)
      const { act } = yield* visit(origin, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByRole("link", { name: "team/app" }).waitFor()
        await page.keyboard.press("Tab")
        expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content")
        await page.keyboard.press("Enter")
        expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("MAIN")
        await page.keyboard.press("Tab")
        expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe(
          "Search repositories"
        )
        await page.getByRole("link", { name: "team/app" }).focus()
        await page.keyboard.press("Enter")
        await page.getByRole("link", { name: "v1" }).waitFor()
        expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("MAIN")
        expect(await page.title()).toBe("team/app – registry explorer")
      })
    }))
})
