/** Two images of a repository, compared: configs, layers, packages and files. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import * as Digests from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import { useMemo, useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import * as archive from "./archive.js"
import * as attached from "./attached.js"
import type { Connection } from "./connection.js"
import * as content from "./content.js"
import type { Loaded } from "./content.js"
import * as difference from "./difference.js"
import type { Change } from "./difference.js"
import * as documents from "./documents.js"
import type { Package } from "./documents.js"
import * as fields from "./fields.js"
import * as format from "./format.js"
import { platformOf } from "./imageConfig.js"
import type { ImageConfig } from "./imageConfig.js"
import * as json from "./json.js"
import { isArchive } from "./Layers.js"
import { collect, useLive } from "./live.js"
import { Facts, Failure, Paged, Section, Show } from "./parts.js"
import { Text } from "./Text.js"
import { useAction } from "./useAction.js"

/** One of the two images. */
interface Side {
  readonly loaded: Loaded
  readonly layers: ReadonlyArray<Descriptor>
  readonly config: ImageConfig | undefined
  /** The platforms to choose from, if the reference is that of an index. */
  readonly platforms: ReadonlyArray<string>
}

const sideOf = (
  connection: Connection,
  repository: RepositoryName,
  reference: Operation.TagOrDigest,
  platform: string | undefined
): Effect.Effect<Side, RegistryError> =>
  Effect.gen(function*() {
    const top = yield* content.manifest(connection, repository, reference)
    const children = top.document?._tag === "Index" ? top.document.manifests.filter(content.isRunnable) : []
    const child = children.find((each) => platformOf(each.platform) === platform) ?? children[0]
    const loaded = child === undefined ? top : yield* content.manifest(connection, repository, child.digest)
    const { document } = loaded
    return {
      loaded,
      layers: document?._tag === "Image" ? document.layers : document?._tag === "Artifact" ? document.blobs : [],
      config: yield* content.config(connection, repository, document),
      platforms: children.flatMap((each) => platformOf(each.platform) ?? [])
    }
  })

const Changes = ({ changes, name }: { readonly name: string; readonly changes: ReadonlyArray<Change> }) =>
  changes.length === 0 ? <p class="empty">No difference.</p> : (
    <Paged items={changes}>
      {(shown) => (
        <div class="scroll">
          <table class="changes">
            <thead>
              <tr>
                <th scope="col">{name}</th>
                <th scope="col">Before</th>
                <th scope="col">After</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ after, before, name }, at) => (
                <tr key={at}>
                  <th scope="row">
                    <Text limit={300}>{name}</Text>
                  </th>
                  <td class={before === undefined ? "absent" : "removed"}>
                    {before === undefined ? "–" : <Text limit={300}>{before}</Text>}
                  </td>
                  <td class={after === undefined ? "absent" : "added"}>
                    {after === undefined ? "–" : <Text limit={300}>{after}</Text>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Paged>
  )

const sizeOf = (layers: ReadonlyArray<Descriptor>): string =>
  `${format.count(layers.length, "layer")}, ${format.bytes(layers.reduce((sum, { size }) => sum + size, 0))}`

/** Reads the packages of an image from the SBOMs that are attached to it. `undefined` if there are none. */
const packagesOf = (
  connection: Connection,
  repository: RepositoryName,
  side: Side
): Effect.Effect<ReadonlyArray<Package> | undefined, RegistryError> =>
  Effect.gen(function*() {
    const referrers = yield* attached.read(connection, repository, side.loaded.manifest.descriptor.digest)
    for (const referrer of referrers.slice(0, 20)) {
      const { document } = yield* content.manifest(connection, repository, referrer.digest)
      if (document?._tag !== "Image" && document?._tag !== "Artifact") continue
      const layers = document._tag === "Image" ? document.layers : document.blobs
      const readable = layers.filter(({ mediaType, size }) =>
        size <= content.maxDocument && documents.isReadable(mediaType)
      )
      for (const layer of readable.slice(0, 5)) {
        const bytes = yield* content.blob(connection, repository, layer.digest, content.maxDocument)
        const packages = documents.packagesOf(documents.read(json.parse(bytes)))
        if (packages.length > 0) return packages
      }
    }
    return undefined
  })

type Sides = readonly [before: Side, after: Side]

const PackageChanges = ({ repository, sides }: { readonly repository: RepositoryName; readonly sides: Sides }) => {
  const { connection } = useApp()
  const live = useLive("packages", () => Effect.forEach(sides, (side) => packagesOf(connection, repository, side)))
  return (
    <Section title="Packages">
      <Show live={live} waiting="Looking for SBOMs">
        {([before, after]) =>
          before === undefined || after === undefined
            ? <p class="empty">One of the two has no SBOM in this registry.</p>
            : <Changes name="Package" changes={difference.packages(before, after)} />}
      </Show>
    </Section>
  )
}

const maxListed = 20

const FileChanges = (
  { repository, sides: [before, after] }: { readonly repository: RepositoryName; readonly sides: Sides }
) => {
  const { connection } = useApp()
  const action = useAction<ReadonlyArray<Change>>()
  const { added, removed } = difference.layers(before.layers, after.layers)
  const entriesOf = (layers: ReadonlyArray<Descriptor>) =>
    Effect.map(
      Effect.forEach(layers.filter(isArchive).slice(0, maxListed), ({ digest }) =>
        archive.list(connection, repository, digest, () => {})),
      (listings) =>
        listings.flatMap(({ entries }) => entries)
    )
  const read = Effect.zipWith(entriesOf(removed), entriesOf(added), difference.files)
  return (
    <Section title="Files" note="of the layers that differ">
      {action.result === undefined && (
        <p>
          <button type="button" onClick={() => action.start(read)} disabled={action.isRunning}>
            {action.isRunning ? "Reading the layers…" : `Read and compare ${sizeOf([...removed, ...added])}`}
          </button>
          {action.isRunning && (
            <>
              <button type="button" onClick={action.stop}>Cancel</button>
            </>
          )}
        </p>
      )}
      {action.error !== undefined && <Failure error={action.error} />}
      {action.result !== undefined && <Changes name="File" changes={action.result} />}
    </Section>
  )
}

const Difference = ({ repository, sides }: { readonly repository: RepositoryName; readonly sides: Sides }) => {
  const [before, after] = sides
  const changes = useMemo(() => difference.configs(before.config, after.config), [sides])
  const { added, removed, shared } = useMemo(() => difference.layers(before.layers, after.layers), [sides])
  if (before.loaded.manifest.descriptor.digest === after.loaded.manifest.descriptor.digest) {
    return <p class="note">Both are the same manifest.</p>
  }
  return (
    <>
      <Section title="Config">
        <Changes name="Name" changes={changes} />
      </Section>
      <Section title="Layers">
        <Facts>
          {[["In both", sizeOf(shared)], ["Only before", sizeOf(removed)], ["Only after", sizeOf(added)]]}
        </Facts>
      </Section>
      <PackageChanges repository={repository} sides={sides} />
      {added.length + removed.length > 0 && <FileChanges repository={repository} sides={sides} />}
    </>
  )
}

const Comparison = (
  { other, reference, repository }: {
    readonly repository: RepositoryName
    readonly reference: Operation.TagOrDigest
    readonly other: Operation.TagOrDigest
  }
) => {
  const { connection } = useApp()
  const [platform, setPlatform] = useState<string>()
  const live = useLive<Sides>(
    `compare ${platform ?? ""}`,
    () =>
      Effect.all([
        sideOf(connection, repository, reference, platform),
        sideOf(connection, repository, other, platform)
      ])
  )
  const platforms = live.value?.[0].platforms ?? []
  const name = (text: string) => Digests.is(text) ? format.digest(text) : format.plain(text)
  return (
    <>
      <h1>{repository}: {name(reference)} → {name(other)}</h1>
      {platforms.length > 1 && (
        <label>
          Platform{" "}
          <select value={platform ?? platforms[0]} onChange={(event) => setPlatform(event.currentTarget.value)}>
            {platforms.slice(0, 100).map((each) => <option key={each} value={each}>{format.plain(each, 60)}</option>)}
          </select>
        </label>
      )}
      <Show live={live} waiting="Reading both manifests">
        {(sides) => (
          <Difference
            key={sides.map((side) => side.loaded.manifest.descriptor.digest).join(" ")}
            repository={repository}
            sides={sides}
          />
        )}
      </Show>
    </>
  )
}

export const Compare = (
  { other, ...props }: {
    readonly repository: RepositoryName
    readonly reference: Operation.TagOrDigest
    readonly other: string
  }
) =>
  Tag.is(other) || Digests.is(other)
    ? <Comparison {...props} other={other} />
    : <p class="failure" role="alert">This address names no tag or digest to compare with.</p>

const maxSuggestions = 300

/** The field for the tag to compare with. */
export const CompareWith = (
  { reference, repository }: { readonly repository: RepositoryName; readonly reference: Operation.TagOrDigest }
) => {
  const { connection, home, place } = useApp()
  const link = useLink()
  const [problem, setProblem] = useState(false)
  const live = useLive(
    "suggestions",
    collect(connection.registry.listTags(repository, { limit: maxSuggestions }), maxSuggestions)
  )
  const submit = (event: SubmitEvent) => {
    const other = fields.read(event)("other").trim()
    const isValid = Tag.is(other) || Digests.is(other)
    setProblem(!isValid)
    const at = Digests.is(reference) ? { digest: reference } : { tag: reference }
    if (isValid) location.hash = link({ repository, ...at, query: { compare: other } })
  }
  return (
    <Section title="Compare">
      <form class="inline" onSubmit={submit} key={`${home} ${place.registry}`}>
        <label>
          With the tag <input name="other" list="tags-to-compare" required autocapitalize="none" autocomplete="off" />
        </label>
        <datalist id="tags-to-compare">
          {(live.value ?? []).filter((tag) => tag !== reference).map((tag) => <option key={tag} value={tag} />)}
        </datalist>
        <button type="submit">Compare</button>
        {problem && <p class="problem" role="alert">This is not a tag or a digest.</p>}
      </form>
    </Section>
  )
}
