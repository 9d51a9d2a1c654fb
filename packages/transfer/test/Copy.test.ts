import {
  Answer,
  Body,
  Descriptor,
  Handler,
  MediaType,
  Operation,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Option, Stream } from "effect"
import { Copy, Progress, Transform } from "../src/index.js"
import { app, copyOf, on, pushBlob, pushDocument, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

const from = (source: { readonly registry: Copy.Source["registry"] }, reference: Operation.TagOrDigest = v1) => ({
  registry: source.registry,
  repository: app,
  reference
})

const to = (target: { readonly registry: Copy.Target["registry"] }, more: object = {}) => ({
  registry: target.registry,
  repository: copyOf,
  ...more
})

describe("copy", () => {
  it.scoped("copies an image with the fewest requests, its manifest last and by its tag", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const image = yield* pushImage(source.registry, ["one", "two", "three"], {}, [v1])
      source.counts()

      const copied = yield* Copy.copy(from(source), to(target))

      expect(copied.descriptor).toMatchObject(image)
      expect(copied).toMatchObject({
        manifests: { pushed: 1, existed: 0 },
        blobs: { moved: 4, mounted: 0, existed: 0 }
      })
      expect(source.counts()).toEqual({ GetManifest: 1, ListReferrers: 1, ListTags: 1, GetBlob: 4 })
      expect(target.received.at(-1)).toMatchObject({ _tag: "PushManifest", tags: [v1] })
      expect(target.counts()).toEqual({
        ResolveManifest: 1,
        ResolveBlob: 4,
        StartUpload: 4,
        CompleteUpload: 4,
        PushManifest: 1
      })
      expect((yield* target.registry.getManifest(copyOf, v1)).descriptor.digest).toBe(image.digest)
    }))

  it.scoped("sends one request if the tag already points at the manifest", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      yield* pushImage(source.registry, ["one", "two"], {}, [v1])
      yield* Copy.copy(from(source), to(target))
      source.counts()
      target.counts()

      const again = yield* Copy.copy(from(source), to(target), { withoutReferrers: true })

      expect(again).toMatchObject({ manifests: { pushed: 0, existed: 1 }, blobs: { moved: 0 }, bytes: 0 })
      expect(source.counts()).toEqual({ GetManifest: 1 })
      expect(target.counts()).toEqual({ ResolveManifest: 1 })
    }))

  it.scoped("copies shared blobs once, and existing blobs not at all", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const amd = yield* pushImage(source.registry, ["base", "amd"])
      const arm = yield* pushImage(source.registry, ["base", "arm"], {}, [Tag.make("arm")])
      yield* pushIndex(source.registry, [on(amd, "linux/amd64"), on(arm, "linux/arm64")], {}, [v1])
      yield* Copy.copy(from(source, Tag.make("arm")), to(target))
      source.counts()
      target.counts()

      const copied = yield* Copy.copy(from(source), to(target), { withoutReferrers: true })

      expect(copied).toMatchObject({ manifests: { pushed: 2, existed: 1 }, blobs: { moved: 1, existed: 2 } })
      expect(source.counts()).toEqual({ GetManifest: 2, GetBlob: 1 })
      const pushed = target.received.filter(({ _tag }) => _tag === "PushManifest") as Array<Operation.PushManifest>
      expect(pushed.map(({ mediaType }) => mediaType)).toEqual([MediaType.image, MediaType.index])
    }))

  it.scoped("mounts within one registry, and sends no bytes", () =>
    Effect.gen(function*() {
      const one = yield* recorded()
      yield* pushImage(one.registry, ["one", "two"], {}, [v1])
      one.counts()

      const copied = yield* Copy.copy(from(one), to(one))

      expect(copied).toMatchObject({ blobs: { moved: 0, mounted: 3 }, bytes: 0 })
      expect(one.counts()).toEqual({
        GetManifest: 1,
        ListReferrers: 1,
        ListTags: 1,
        ResolveManifest: 1,
        MountBlob: 3,
        PushManifest: 1
      })
    }))

  it.scoped("mounts from the repositories that an annotation names in the target's registry", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const layer = yield* pushBlob(source.registry, "a layer")
      yield* pushBlob(target.registry, "a layer")
      const config = yield* pushBlob(source.registry, "{}", MediaType.empty)
      const annotations = { "containerd.io/distribution.source.registry.test": `empty/repository,${app}` }
      yield* pushDocument(source.registry, MediaType.image, { config, layers: [{ ...layer, annotations }] }, [v1])
      target.counts()

      const copied = yield* Copy.copy(from(source), to(target, { host: "registry.test" }))

      expect(copied.blobs).toEqual({ moved: 1, mounted: 1, existed: 0 })
      expect(target.counts()).toMatchObject({ MountBlob: 2, StartUpload: 1, CancelUpload: 1, CompleteUpload: 1 })
    }))

  it.scoped("continues with the upload that a mount opened instead", () =>
    Effect.gen(function*() {
      const one = yield* recorded({
        wrap: (next) =>
          Handler.override(next, {
            MountBlob: ({ repository }) =>
              Effect.map(
                next(new Operation.StartUpload({ repository })),
                (upload) => new Operation.UploadStarted({ upload })
              )
          })
      })
      yield* pushImage(one.registry, ["one"], {}, [v1])
      one.counts()
      expect((yield* Copy.copy(from(one), to(one))).blobs).toEqual({ moved: 2, mounted: 0, existed: 0 })
      expect(one.counts()).toMatchObject({ MountBlob: 2, CompleteUpload: 2 })
    }))

  it.scoped("only sets tags within one repository", () =>
    Effect.gen(function*() {
      const one = yield* recorded()
      const image = yield* pushImage(one.registry, ["one"], {}, [v1])
      const v2 = Tag.make("v2")
      one.counts()
      yield* Copy.copy(from(one), { registry: one.registry, repository: app, tags: [v2] }, { withoutReferrers: true })
      expect(one.counts()).toEqual({ GetManifest: 1, ResolveManifest: 1, PushManifest: 1 })
      expect((yield* one.registry.resolveManifest(app, v2)).digest).toBe(image.digest)
    }))

  it.scoped("copies referrers, and their referrers, of every manifest, before the tag", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const image = yield* pushImage(source.registry, ["one"])
      const index = yield* pushIndex(source.registry, [on(image, "linux/amd64")], {}, [v1])
      const signature = yield* pushReferrer(source.registry, index, "a/signature")
      const sbom = yield* pushReferrer(source.registry, image, "an/sbom")
      const signed = yield* pushReferrer(source.registry, sbom, "a/signature")

      yield* Copy.copy(from(source), to(target))

      const referrers = (subject: typeof index) =>
        Effect.map(
          Stream.runCollect(target.registry.listReferrers(copyOf, subject.digest)),
          (all) => [...all].map(({ digest }) => digest)
        )
      expect(yield* referrers(index)).toEqual([signature.digest])
      expect(yield* referrers(image)).toEqual([sbom.digest])
      expect(yield* referrers(sbom)).toEqual([signed.digest])
      const pushes = target.received.filter(({ _tag }) => _tag === "PushManifest") as Array<Operation.PushManifest>
      expect(pushes.map(({ tags }) => tags)).toEqual([[], [], [], [], [v1]])

      const later = yield* pushReferrer(source.registry, image, "a/late")
      expect((yield* Copy.copy(from(source), to(target))).manifests).toEqual({ pushed: 1, existed: 5 })
      expect(yield* referrers(image)).toEqual(expect.arrayContaining([later.digest, sbom.digest]))

      const elsewhere = { ...to(target), repository: RepositoryName.make("without") }
      expect((yield* Copy.copy(from(source), elsewhere, { withoutReferrers: true })).manifests.pushed).toBe(2)
    }))

  it.scoped("pushes an index whose subject is in its list, and then the tag", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const image = yield* pushImage(source.registry, ["one"], {}, [v1])
      const list = yield* pushIndex(source.registry, [image], { subject: image, artifactType: "a/list" })
      yield* Copy.copy(from(source), to(target))
      expect((yield* target.registry.resolveManifest(copyOf, v1)).digest).toBe(image.digest)
      expect((yield* target.registry.resolveManifest(copyOf, list.digest)).digest).toBe(list.digest)
    }))

  it.scoped("reports what it would do in a dry run", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      yield* pushImage(source.registry, ["one", "two"], {}, [v1])
      const planned = yield* Copy.copy(from(source), to(target), { dryRun: true })
      expect(planned).toMatchObject({ manifests: { pushed: 1 }, blobs: { moved: 3 } })
      expect(target.counts()).toEqual({ ResolveManifest: 1, ResolveBlob: 3 })
      const done = yield* Copy.copy(from(source), to(target))
      expect(done).toEqual(planned)
    }))

  it.scoped("leaves out layers that may not be distributed", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const config = yield* pushBlob(source.registry, "{}", MediaType.imageConfig)
      const foreign = {
        ...config,
        mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar",
        urls: ["https://elsewhere.example/layer"]
      }
      yield* pushDocument(source.registry, MediaType.image, { config, layers: [foreign] }, [v1])
      expect((yield* Copy.copy(from(source), to(target))).blobs.moved).toBe(1)
    }))
})

describe("options that choose content", () => {
  const multi = Effect.gen(function*() {
    const source = yield* recorded()
    const target = yield* recorded()
    const amd = yield* pushImage(source.registry, ["amd"])
    const arm = yield* pushImage(source.registry, ["arm"])
    const attestation = yield* pushImage(source.registry, ["attestation"])
    const index = yield* pushIndex(
      source.registry,
      [
        on(amd, "linux/amd64"),
        on(arm, "linux/arm64"),
        {
          ...on(attestation, "unknown/unknown"),
          annotations: { "vnd.docker.reference.digest": arm.digest }
        }
      ],
      {},
      [v1]
    )
    return { source, target, amd, arm, index }
  })

  it.scoped("platform: a single image must match; indexPlatform ignores single images", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const bytes = JSON.stringify({ os: "linux", architecture: "arm", variant: "v6" })
      const config = yield* pushBlob(source.registry, bytes, MediaType.imageConfig)
      const image = yield* pushDocument(source.registry, MediaType.image, { config, layers: [] }, [v1])
      const copied = (options: Copy.Options) => Copy.copy(from(source), to(target), options)
      const armv7 = { os: "linux", architecture: "arm", variant: "v7" }
      const windows = { os: "windows", architecture: "amd64" }
      expect((yield* copied({ platform: armv7, dryRun: true })).descriptor.digest).toBe(image.digest)
      const error = yield* Effect.flip(copied({ platform: windows }))
      expect(error._tag).toBe("OciManifestUnknown")
      expect(error.message).toContain("the image is for linux/arm/v6, not for windows/amd64")
      expect(target.counts()["PushManifest"]).toBe(undefined)
      expect((yield* copied({ indexPlatform: windows })).descriptor.digest).toBe(image.digest)
    }))

  it.scoped("digest: fails before writing if the copy would have another digest", () =>
    Effect.gen(function*() {
      const { amd, index, source, target } = yield* multi
      const error = yield* Effect.flip(Copy.copy(from(source), to(target, { digest: amd.digest })))
      expect(error._tag).toBe("OciDigestInvalid")
      expect(error.message).toContain(index.digest)
      expect(target.counts()["PushManifest"]).toBe(undefined)
      yield* Copy.copy(from(source), to(target, { digest: index.digest }))
    }))

  it.scoped("platform: copies the image for a platform", () =>
    Effect.gen(function*() {
      const { arm, source, target } = yield* multi
      const copied = yield* Copy.copy(from(source), to(target), {
        platform: { os: "linux", architecture: "arm64", variant: "v8" }
      })
      expect(copied.descriptor.digest).toBe(arm.digest)
      expect((yield* target.registry.resolveManifest(copyOf, v1)).digest).toBe(arm.digest)
    }))

  it.scoped("platforms: copies a smaller index, with the attestations of its images", () =>
    Effect.gen(function*() {
      const { amd, arm, index, source, target } = yield* multi
      const signature = yield* pushReferrer(source.registry, index, "a/signature")
      const copied = yield* Copy.copy(from(source), to(target), {
        platforms: [{ os: "linux", architecture: "arm64" }]
      })
      expect(copied.descriptor.digest).not.toBe(index.digest)
      const written = yield* target.registry.getManifest(copyOf, v1)
      const { manifests } = JSON.parse(new TextDecoder().decode(written.bytes)) as { manifests: Array<typeof arm> }
      expect(manifests.map(({ platform }) => platform?.architecture)).toEqual(["arm64", "unknown"])
      expect(yield* Effect.flip(target.registry.resolveManifest(copyOf, amd.digest))).toMatchObject({
        _tag: "OciManifestUnknown"
      })
      const referrers = yield* Stream.runCollect(target.registry.listReferrers(copyOf, written.descriptor.digest))
      expect(Chunk.size(referrers)).toBe(1)
      expect([...referrers][0]?.digest).not.toBe(signature.digest)
      const again = yield* Copy.copy(from(source), to(target), { platforms: [{ os: "linux", architecture: "arm64" }] })
      expect(again).toMatchObject({ manifests: { pushed: 0 }, blobs: { moved: 0 } })
    }))

  it.scoped("platform: fails if there is no such platform, and names those that exist", () =>
    Effect.gen(function*() {
      const { source, target } = yield* multi
      const s390x = { os: "linux", architecture: "s390x" }
      for (const options of [{ platform: s390x }, { platforms: [s390x] }]) {
        const error = yield* Effect.flip(Copy.copy(from(source), to(target), options))
        expect(error.message).toContain("no image for linux/s390x: it has linux/amd64, linux/arm64")
      }
      expect(target.counts()).toEqual({})
    }))

  it.scoped("children: copies what a function returns for an unknown type", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const part = yield* pushBlob(source.registry, "a part")
      yield* pushDocument(source.registry, "application/vnd.example.parts+json", { parts: [part] }, [v1])
      yield* Copy.copy(from(source), to(target), {
        children: (manifest) =>
          Effect.succeed(
            manifest.descriptor.mediaType === "application/vnd.example.parts+json"
              ? [{ kind: "blob", descriptor: part }]
              : undefined
          )
      })
      expect((yield* target.registry.resolveBlob(copyOf, part.digest)).digest).toBe(part.digest)
    }))

  it.scoped("transform: an old Docker image gets the right type of config, and its index the new digest", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const config = yield* pushBlob(source.registry, "{\"os\":\"linux\"}", "application/octet-stream")
      const layer = yield* pushBlob(source.registry, "a layer", "application/vnd.docker.image.rootfs.diff.tar.gzip")
      const image = yield* pushDocument(source.registry, MediaType.dockerImage, { config, layers: [layer] })
      yield* pushDocument(source.registry, MediaType.dockerList, { manifests: [on(image, "linux/amd64")] }, [v1])
      const copied = yield* Copy.copy(from(source), to(target), { transform: Transform.dockerConfig })
      const read = (reference: Operation.TagOrDigest) =>
        Effect.map(
          target.registry.getManifest(copyOf, reference),
          ({ bytes }) => JSON.parse(new TextDecoder().decode(bytes))
        )
      const list = yield* read(copied.descriptor.digest)
      expect(list.manifests[0].digest).not.toBe(image.digest)
      expect((yield* read(list.manifests[0].digest)).config.mediaType).toBe(
        "application/vnd.docker.container.image.v1+json"
      )
    }))
})

describe("a copy that fails", () => {
  const away = new RegistryError.Unavailable({ reason: "away" })

  it.live("resumes an upload from the last byte received", () =>
    Effect.scoped(Effect.gen(function*() {
      const source = yield* recorded()
      let broken = 0
      const target = yield* recorded({
        wrap: (next) =>
          Handler.override(next, {
            CompleteUpload: (operation) => {
              if (operation.body === undefined || operation.offset !== 0 || broken++ > 0) return next(operation)
              const { id, repository } = operation
              const part = Effect.flatMap(Stream.runHead(operation.body.stream), (first) =>
                next(
                  new Operation.AppendUpload({
                    repository,
                    id,
                    body: pieceOf(Option.getOrThrow(first).subarray(0, 1000))
                  })
                ))
              return Effect.zipRight(part, Effect.fail(away))
            }
          })
      })
      yield* pushImage(source.registry, [new Uint8Array(100_000).fill(7)], {}, [v1])
      source.counts()
      yield* Copy.copy(from(source), to(target), { concurrency: 1 })
      const reads = source.received.filter(({ _tag }) => _tag === "GetBlob") as Array<Operation.GetBlob>
      expect(reads.map(({ range }) => range)).toEqual([undefined, { offset: 1000, length: 99_000 }, undefined])
      expect(target.counts()).toMatchObject({ StartUpload: 2, GetUpload: 1, CompleteUpload: 3 })
    })))

  it.live("leaves no upload behind, and sends the rest the next time", () =>
    Effect.scoped(Effect.gen(function*() {
      let failing = true
      const { digest } = Descriptor.fromBytes(new Uint8Array(50_000), MediaType.layer)
      const source = yield* recorded({
        wrap: (next) =>
          Handler.override(next, {
            GetBlob: (operation) => failing && operation.digest === digest ? Answer.fail(away) : next(operation)
          })
      })
      const target = yield* recorded()
      yield* pushImage(source.registry, [new Uint8Array(50_000), "small"], {}, [v1])
      const error = yield* Effect.flip(Copy.copy(from(source), to(target), { retries: 1, concurrency: 1 }))
      expect(error).toMatchObject({ _tag: "OciUnavailable" })
      expect(target.counts()).toMatchObject({ StartUpload: 1, CancelUpload: 1 })
      failing = false
      expect((yield* Copy.copy(from(source), to(target))).blobs).toEqual({ moved: 3, mounted: 0, existed: 0 })
    })))

  it.live("resumes an interrupted upload, if a tracker keeps it", () =>
    Effect.scoped(Effect.gen(function*() {
      let stalls = true
      const source = yield* recorded()
      const target = yield* recorded({
        wrap: (next) =>
          Handler.override(next, {
            CompleteUpload: (operation) =>
              stalls
                ? Effect.zipRight(
                  next(new Operation.AppendUpload({ ...operation, offset: 0, body: pieceOf(new Uint8Array(3)) })),
                  Effect.never
                )
                : next(operation)
          })
      })
      yield* pushImage(source.registry, [new Uint8Array(1000)], {}, [v1])
      const tracker = yield* Progress.make
      const run = Copy.copy(from(source), to(target), { concurrency: 1 }).pipe(
        Effect.provideService(Progress.Progress, tracker)
      )
      const fiber = yield* Effect.fork(run)
      yield* Effect.repeat(Effect.sleep("5 millis"), {
        until: () => target.received.some(({ _tag }) => _tag === "CompleteUpload")
      })
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(fiber)
      stalls = false
      expect(target.counts()["CancelUpload"]).toBeUndefined()
      source.counts()
      yield* run
      expect(target.counts()).toMatchObject({ GetUpload: 1, StartUpload: 1 })
      expect(source.received).toContainEqual(
        expect.objectContaining({ _tag: "GetBlob", range: { offset: 3, length: expect.any(Number) } })
      )
    })))

  it.scoped("moves no tag with ifAbsent", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const old = yield* pushImage(source.registry, ["old"], {}, [v1])
      yield* Copy.copy(from(source), to(target))
      yield* pushImage(source.registry, ["new"], {}, [v1])
      expect(yield* Effect.flip(Copy.copy(from(source), to(target), { ifAbsent: true }))).toMatchObject({
        _tag: "OciDenied"
      })
      expect((yield* target.registry.resolveManifest(copyOf, v1)).digest).toBe(old.digest)
    }))

  it.scoped("fails before it copies anything if the graph is too large", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const images = yield* Effect.forEach(["a", "b", "c"], (layer) => pushImage(source.registry, [layer]))
      yield* pushIndex(source.registry, images, {}, [v1])
      for (
        const [options, says] of [
          [{ maxManifests: 3 }, "more than 3 manifests"],
          [{ maxDepth: 0 }, "more than 0 levels"],
          [{ maxManifestBytes: 900 }, "more than 900 bytes"]
        ] as const
      ) {
        const error = yield* Effect.flip(Copy.copy(from(source), to(target), options))
        expect(error.message).toContain(says)
      }
      expect(target.received.filter((operation) => !Operation.isRead(operation))).toEqual([])
    }))
})

describe("progress", () => {
  it.scoped("reports totals, moving content and results", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const target = yield* recorded()
      const image = yield* pushImage(source.registry, [new Uint8Array(200_000)], {}, [v1])
      const events = [...yield* Stream.runCollect(Copy.stream(from(source), to(target)))]
      expect(events[0]).toMatchObject({ _tag: "Planned", totals: { manifests: 1, blobs: 2 } })
      expect(events.at(-1)).toMatchObject({ _tag: "Copied", summary: { descriptor: { digest: image.digest } } })
      const moved = events.filter((event) => event._tag === "Moved" && event.descriptor.size === 200_000)
      expect(moved.at(-1)).toMatchObject({ transferred: 200_000 })
      expect(events.filter(({ _tag }) => _tag === "Done").length).toBe(3)
    }))
})

const pieceOf = (bytes: Uint8Array) => Body.bytes(bytes)
