/** Correct stores with one added fault each, to prove that the suites find the fault. */
import { Body, Digest } from "@effect-oci/core"
import type { BlobStore, MetadataStore } from "@effect-oci/store"
import { StoreError } from "@effect-oci/store"
import { Duration, Effect, Stream } from "effect"

/** A fault, the check that must find it, and how it changes a store. */
export type Mutant<Service> = readonly [fault: string, check: string, change: (store: Service) => Partial<Service>]

type Blobs = BlobStore.Service
type Metadata = MetadataStore.Service

const long = Duration.days(1000)

const digestOfNothing = Digest.fromBytes(new Uint8Array(0))

const collected = (body: Body.Body) => Body.toBytes(body, { limit: Infinity, onLimit: () => new Error() as never })

export const blobMutants: ReadonlyArray<Mutant<Blobs>> = [
  ["put keeps the bytes of a broken body", "put stores nothing of a body that fails after", (store) => ({
    put: ({ body, key }) =>
      Effect.gen(function*() {
        const kept: Array<Uint8Array> = []
        const seen = Body.inspect(body, () => ({ update: (chunk) => void kept.push(chunk) }))
        return yield* Effect.tapError(store.put({ key, body: seen }), () =>
          store.put({ key, body: Body.stream(Stream.fromIterable(kept)) }))
      })
  })],
  ["put does not notice the wrong digest", "put stores nothing of a body that has another digest", (store) => ({
    put: ({ key }) => store.put({ key, body: Body.bytes(new Uint8Array(1000)) })
  })],
  ["an interrupted put is completed", "put stores nothing if it is interrupted", (store) => ({
    put: ({ body, key, size = 0 }) =>
      Effect.onInterrupt(
        store.put({ key, body }),
        () => Effect.ignore(store.put({ key, body: Body.bytes(new Uint8Array(size)) }))
      )
  })],
  ["put runs the body twice", "put and append run a body once", (store) => ({
    put: (put) => Effect.zipRight(Effect.ignore(collected(put.body)), store.put(put))
  })],
  ["read ignores the offset of a span", "put stores all bytes", (store) => ({
    read: (key, span) => store.read(key, span && { offset: 0, length: span.length })
  })],
  ["read shortens a span outside the bytes", "read refuses", (store) => ({
    read: (key, span) =>
      Effect.catchTag(
        store.read(key, span),
        "OciStoreRangeInvalid",
        ({ size }) => store.read(key, span && { offset: span.offset, length: Math.max(0, size - span.offset) })
      )
  })],
  ["list is not ordered", "lists and deletes a thousand keys", (store) => ({
    list: (after, n) => Effect.map(store.list(after, n), (page) => page.toReversed())
  })],
  ["list skips an item between pages", "lists and deletes a thousand keys", (store) => ({
    list: (after, n) => Effect.map(store.list(after, n + 1), (page) => page.slice(after === undefined ? 0 : 1, n + 1))
  })],
  ["list has a maximum page", "lists and deletes a thousand keys", (store) => ({
    list: (after, n) => store.list(after, Math.min(n, 1000))
  })],
  ["delete returns only the keys that had bytes", "delete removes", (store) => ({
    delete: (keys) =>
      Effect.flatMap(store.list(undefined, 1e6), (all) => {
        const known = new Set(all.map(({ key }) => key))
        return Effect.map(store.delete(keys), (gone) => gone.filter((key) => known.has(key)))
      })
  })],
  ["delete deletes only the first thousand keys", "lists and deletes a thousand keys", (store) => ({
    delete: (keys) => Effect.as(store.delete(keys.slice(0, 1000)), keys)
  })],
  ["append ignores the fence", "an append with an older fence is stale", (store) => ({
    append: (append) => store.append({ ...append, fence: 1 })
  })],
  ["append checks the fence only at the start", "a newer append ends a running one, whose body ends after", (store) => {
    const newest = new Map<string, number>()
    return {
      append: (append) =>
        Effect.suspend(() => {
          const { fence, token } = append
          if ((newest.get(token) ?? 0) > fence) return Effect.fail(new StoreError.Stale())
          newest.set(token, fence)
          return store.append({ ...append, fence: 1 })
        })
    }
  }],
  ["append keeps the bytes after the offset", "an append discards", (store) => {
    const sizes = new Map<string, number>()
    return {
      append: (append) =>
        Effect.suspend(() => store.append({ ...append, offset: Math.max(append.offset, sizes.get(append.token) ?? 0) }))
          .pipe(Effect.tap(({ offset, token }) => void sizes.set(token, offset)))
    }
  }],
  ["append accepts any offset", "an append discards", (store) => ({
    append: (append) =>
      Effect.catchTag(
        store.append(append),
        "OciStoreOffsetMismatch",
        ({ offset }) => store.append({ ...append, offset })
      )
  })],
  ["a broken append reports all bytes sent as durable", "an append discards", (store) => ({
    append: (append) =>
      Effect.mapError(
        store.append(append),
        (error) =>
          error._tag === "OciStoreBodyBroken" && error.appended !== undefined
            ? new StoreError.BodyBroken({ ...error, appended: { ...error.appended, offset: append.offset + 1000 } })
            : error
      )
  })],
  ["commit works once", "commits the first bytes of an upload once", (store) => {
    const done = new Set<string>()
    return {
      commit: (commit) =>
        Effect.suspend(() =>
          done.has(commit.token) ? Effect.fail(new StoreError.UploadUnknown()) : store.commit(commit)
        )
          .pipe(Effect.tap(() => void done.add(commit.token)))
    }
  }],
  ["commit stores all bytes", "commits the first bytes of an upload once", (store) => {
    const sizes = new Map<string, number>()
    return {
      append: (append) => Effect.tap(store.append(append), ({ offset, token }) => void sizes.set(token, offset)),
      commit: (commit) => store.commit({ ...commit, size: Math.max(commit.size, sizes.get(commit.token) ?? 0) })
    }
  }],
  ["abort deletes committed bytes", "commits the first bytes of an upload once", (store) => {
    const keys = new Map<string, BlobStore.BlobKey>()
    return {
      openUpload: (open) => Effect.tap(store.openUpload(open), (token) => void keys.set(token, open.key)),
      abort: (token) => Effect.zipRight(store.abort(token), store.delete([keys.get(token)!]))
    }
  }],
  ["an upload that is opened again loses its bytes", "opens an upload again", (store) => ({
    openUpload: (open) =>
      Effect.flatMap(store.openUpload(open), (token) => Effect.zipRight(store.abort(token), store.openUpload(open)))
  })],
  ["abort only says so", "an abort ends an upload", () => ({ abort: () => Effect.void })],
  ["listUploads lists nothing", "lists open uploads", () => ({ listUploads: () => Effect.succeed([]) })]
]

export const metadataMutants: ReadonlyArray<Mutant<Metadata>> = [
  ["findBlob never renews a lease", "findBlob after 12 of 20", (store) => ({
    findBlob: (repository, digest) => store.findBlob(repository, digest)
  })],
  ["findBlob always renews the lease", "findBlob after 8 of 20", (store) => ({
    findBlob: (repository, digest, keep) =>
      Effect.tap(store.findBlob(repository, digest), (blob) =>
        blob === undefined || keep === undefined
          ? Effect.void
          : Effect.orDie(store.mount({ repository, digest, from: repository, keep })))
  })],
  ["resolveManifest never renews a lease", "resolveManifest after 12 of 20", (store) => ({
    resolveManifest: (repository, reference) => store.resolveManifest(repository, reference)
  })],
  ["mount gives no lease", "mount after 8 of 20", (store) => ({
    mount: (mount) => store.mount({ ...mount, keep: Duration.zero })
  })],
  ["linkBlob loses the bytes of the later of two links", "of many links of a blob at once", (store) => ({
    linkBlob: (link) =>
      Effect.tap(store.linkBlob(link), ({ key }) => key === link.key ? Effect.void : store.forgetGarbage([link.key]))
  })],
  ["linkBlob ignores the claim", "each claim has a fence", (store) => ({
    linkBlob: ({ upload, ...link }) =>
      Effect.zipLeft(store.linkBlob(link), upload === undefined ? Effect.void : store.endUpload(upload.id))
  })],
  ["mount takes a blob of any repository", "every command", (store) => ({
    mount: (mount) => store.mount({ ...mount, from: undefined })
  })],
  ["unlinkBlob deletes referenced blobs", "every command", (store) => ({
    unlinkBlob: (unlink) => store.unlinkBlob({ ...unlink, evenIfReferenced: true })
  })],
  ["discardBlob ignores the key", "every command", (store) => ({
    discardBlob: (discard) =>
      Effect.flatMap(store.inspectBlobs(undefined, 100), (blobs) =>
        Effect.forEach(
          blobs.filter(({ descriptor }) => descriptor.digest === discard.digest),
          ({ key }) => store.discardBlob({ ...discard, key }),
          { discard: true }
        )).pipe(Effect.orDie)
  })],
  ["discardBlob does nothing", "a blob that was discarded", () => ({ discardBlob: () => Effect.void })],
  ["deleteManifest deletes children", "every command", (store) => ({
    deleteManifest: (repository, digest) => store.deleteManifest(repository, digest, true)
  })],
  ["deleteTag deletes a tag that has moved", "every command", (store) => ({
    deleteTag: (repository, tag) => store.deleteTag(repository, tag)
  })],
  ["putManifest accepts missing content", "every command", (store) => ({
    putManifest: (put) =>
      store.putManifest({ ...put, references: put.references.map((to) => ({ ...to, required: false })) })
  })],
  ["putManifest ignores the type", "every command", (store) => ({
    putManifest: (put) => Effect.catchTag(store.putManifest(put), "OciStoreTypeTaken", () => Effect.void)
  })],
  ["putManifest ignores ifMatch", "every command", (store) => ({
    putManifest: (put) => store.putManifest({ ...put, ifMatch: undefined })
  })],
  ["putManifest moves some tags of a refused push", "every command", (store) => ({
    putManifest: (put) =>
      Effect.zipRight(
        put.tags.length < 2 ? Effect.void : store.putManifest({ ...put, tags: put.tags.slice(0, 1) }),
        store.putManifest(put)
      )
  })],
  ["putManifest checks ifAbsent before it stores", "of many pushes at once with ifAbsent", (store) => ({
    putManifest: (put) =>
      Effect.gen(function*() {
        for (const tag of put.ifAbsent ? put.tags : []) {
          const found = yield* Effect.either(store.resolveManifest(put.repository, tag))
          const digest = found._tag === "Right" ? found.right.digest : undefined
          if (digest !== undefined) return yield* Effect.fail(new StoreError.TagTaken({ tag, digest }))
        }
        yield* Effect.yieldNow()
        yield* store.putManifest({ ...put, ifAbsent: false })
      })
  })],
  ["getManifest remembers where a tag led", "returns the manifest that a reference leads to now", (store) => {
    const found = new Map<string, Effect.Effect.Success<ReturnType<Metadata["getManifest"]>>>()
    return {
      getManifest: (repository, reference) =>
        Effect.suspend(() => {
          const known = found.get(reference)
          if (known !== undefined) return Effect.succeed(known)
          return Effect.tap(store.getManifest(repository, reference), (manifest) => void found.set(reference, manifest))
        })
    }
  }],
  ["listTags is not ordered by ASCII", "lists a thousand tags", (store) => ({
    listTags: (repository, after, n) =>
      Effect.map(store.listTags(repository, after, n), (page) => page.toSorted((a, b) => a.localeCompare(b)))
  })],
  ["inspectManifests has a maximum page", "lists a thousand tags", (store) => ({
    inspectManifests: (repository, after, n) => store.inspectManifests(repository, after, Math.min(n, 1000))
  })],
  ["listReferrers ignores the filter", "lists referrers", (store) => ({
    listReferrers: (repository, subject, _, after, n) => store.listReferrers(repository, subject, undefined, after, n)
  })],
  ["listTags finds a repository that does not exist", "returns a manifest as it was stored", (store) => ({
    listTags: (...list) =>
      Effect.catchTag(store.listTags(...list), "OciStoreRepositoryUnknown", () => Effect.succeed([]))
  })],
  ["unknownKeys returns the keys of garbage", "unknownKeys", (store) => ({
    unknownKeys: (keys) =>
      Effect.flatMap(store.inspectBlobs(undefined, 1e6), (blobs) => {
        const known = new Set(blobs.map(({ key }) => key))
        return Effect.succeed(keys.filter((key) => !known.has(key)))
      })
  })],
  ["createUpload has no limits", "refuses a session beyond the limit perCaller", (store) => ({
    createUpload: (upload, lives) =>
      store.createUpload(upload, lives, { total: 1e6, perCaller: 1e6, perRepository: 1e6 })
  })],
  ["claimUpload returns the same fence again", "each claim has a fence", (store) => ({
    claimUpload: (id, lives) =>
      Effect.flatMap(
        store.getUpload(id),
        (upload) => upload.fence > 0 ? Effect.succeed(upload) : store.claimUpload(id, lives)
      )
  })],
  ["advanceUpload ignores the claim", "each claim has a fence", (store) => ({
    advanceUpload: (advance) =>
      Effect.flatMap(store.getUpload(advance.id), ({ fence }) => store.advanceUpload({ ...advance, fence }))
  })],
  ["advanceUpload works once", "advanceUpload moves a session", (store) => ({
    advanceUpload: (advance) =>
      Effect.flatMap(
        store.getUpload(advance.id),
        ({ offset }) =>
          offset === advance.from
            ? store.advanceUpload(advance)
            : Effect.fail(new StoreError.OffsetMismatch({ offset }))
      )
  })],
  ["advanceUpload does not renew the life", "a session lives on", (store) => ({
    advanceUpload: (advance) => store.advanceUpload({ ...advance, lives: Duration.millis(1) })
  })],
  ["sessions never expire", "a session lives on", (store) => ({
    claimUpload: (id) => store.claimUpload(id, long)
  })],
  ["endUpload forgets the bytes", "returns an upload session", (store) => ({
    endUpload: (id) =>
      Effect.flatMap(store.getUpload(id), ({ key }) => Effect.zipRight(store.endUpload(id), store.forgetGarbage([key])))
  })],
  ["expireUploads never has more", "expireUploads", (store) => ({
    expireUploads: (n) => Effect.as(store.expireUploads(n), { more: false })
  })],
  ["review ignores the grace", "removes blobs that nothing refers to", (store) => ({
    review: (policy, n) => store.review({ ...policy, grace: Duration.zero }, n)
  })],
  ["review always deletes untagged manifests", "removes untagged manifests only if", (store) => ({
    review: (policy, n) => store.review({ ...policy, untagged: "delete" }, n)
  })],
  ["review never deletes untagged manifests", "keeps children and", (store) => ({
    review: (policy, n) => store.review({ ...policy, untagged: "keep" }, n)
  })],
  ["review releases bytes at once", "garbage of review", (store) => ({
    review: (policy, n) => store.review({ ...policy, readable: Duration.zero }, n)
  })],
  ["unlinkBlob releases bytes at once", "garbage of unlinkBlob", (store) => ({
    unlinkBlob: (unlink) => store.unlinkBlob({ ...unlink, readable: Duration.zero })
  })],
  ["claimGarbage claims again at once", "each piece of garbage is claimed once", (store) => ({
    claimGarbage: (n) => store.claimGarbage(n, Duration.zero)
  })],
  ["claimGarbage claims for ever", "garbage of review", (store) => ({
    claimGarbage: (n) => store.claimGarbage(n, long)
  })],
  ["forgetGarbage forgets nothing", "garbage of review", () => ({ forgetGarbage: () => Effect.void })]
]

/** Faults of a blob store that only a registry over a pair of stores shows. */
export const pairMutants: {
  readonly blobs: ReadonlyArray<Mutant<Blobs>>
  readonly metadata: ReadonlyArray<Mutant<Metadata>>
} = {
  blobs: [
    [
      "delete says that the bytes are gone",
      "loses nothing that was acknowledged if a call fails",
      () => ({ delete: (keys) => Effect.succeed(keys) })
    ],
    ["commit loses the last byte", "loses nothing that was acknowledged if a call fails", (store) => ({
      commit: ({ size, token }) => store.commit({ token, size: size - 1 })
    })],
    ["append returns too early", "loses nothing that was acknowledged if a call fails", (store) => ({
      append: (append) =>
        Effect.map(store.append({ ...append, body: Body.empty }), ({ token }) => ({
          token,
          offset: append.offset + (append.body.size ?? 0)
        }))
    })],
    ["append ignores the fence", "mixes no bytes", (store) => ({
      append: (append) => store.append({ ...append, fence: 1 })
    })]
  ],
  metadata: [
    ["getUpload returns another digest", "continues an upload at any node", (store) => ({
      getUpload: (id) => Effect.map(store.getUpload(id), (upload) => ({ ...upload, digest: digestOfNothing })),
      claimUpload: (...claim) =>
        Effect.map(store.claimUpload(...claim), (upload) => ({ ...upload, digest: digestOfNothing }))
    })],
    ["findBlob never renews a lease", "keeps blobs that a caller found", (store) => ({
      findBlob: (repository, digest) => store.findBlob(repository, digest)
    })],
    ["unknownKeys knows all keys", "loses nothing that was acknowledged if a call is the last", () => ({
      unknownKeys: () => Effect.succeed([])
    })],
    ["putManifest ignores the tags", "loses nothing that was acknowledged if a call fails", (store) => ({
      putManifest: (put) => store.putManifest({ ...put, tags: put.tags.slice(0, 1) })
    })]
  ]
}
