/** A manifest: an image, an index or an artifact. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Manifest from "@effect-oci/core/Manifest"
import type * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { Actions } from "./Actions.js"
import { useApp, useLink } from "./app.js"
import { CompareWith } from "./Compare.js"
import * as content from "./content.js"
import type { Loaded } from "./content.js"
import * as format from "./format.js"
import { ImageSections } from "./Image.js"
import { platformOf } from "./imageConfig.js"
import { Json } from "./Json.js"
import * as json from "./json.js"
import { Layers } from "./Layers.js"
import { useLive } from "./live.js"
import { Pairs } from "./Pairs.js"
import { Copy, Digest, Facts, Lazy, Name, Section, Show } from "./parts.js"
import { Pull } from "./Pull.js"
import { Referrers } from "./Referrers.js"
import { Text } from "./Text.js"

/** Returns the size of an image with its config and layers, or of the files of an artifact. */
const sizeOf = (document: Manifest.Document | undefined): number | undefined => {
  if (document === undefined || document._tag === "Unknown" || document._tag === "Index") return undefined
  const parts = document._tag === "Image" ? [document.config, ...document.layers] : document.blobs
  return parts.reduce((sum, { size }) => sum + size, 0)
}

const attestedBy = "vnd.docker.reference.type"

const Platforms = (
  { manifests, repository }: { readonly repository: RepositoryName; readonly manifests: ReadonlyArray<Descriptor> }
) => {
  const link = useLink()
  return (
    <Section title="Manifests" note={format.count(manifests.length, "manifest")}>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Platform</th>
              <th scope="col">Manifest</th>
              <th scope="col">Kind</th>
            </tr>
          </thead>
          <tbody>
            {manifests.slice(0, 500).map((manifest, at) => (
              <tr key={at}>
                <th scope="row">
                  <a href={link({ repository, digest: manifest.digest })}>
                    <Text limit={100}>
                      {content.isRunnable(manifest)
                        ? platformOf(manifest.platform) ?? "any platform"
                        : manifest.annotations?.[attestedBy] ?? manifest.artifactType ?? "any platform"}
                    </Text>
                  </a>
                  {manifest.platform?.["os.version"] !== undefined && (
                    <small>
                      <Text limit={50}>{manifest.platform["os.version"]}</Text>
                    </small>
                  )}
                </th>
                <td>
                  <Digest>{manifest.digest}</Digest>
                </td>
                <td>{format.kind(manifest.mediaType)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  )
}

const maxRaw = 256 * 1024

const Raw = ({ loaded: { manifest } }: { readonly loaded: Loaded }) => {
  const text = new TextDecoder().decode(manifest.bytes.subarray(0, maxRaw))
  const parsed = json.parse(manifest.bytes)
  return (
    <Section title="The manifest itself">
      {parsed !== undefined && <Lazy summary="As a tree">{() => <Json value={parsed} open={2} />}</Lazy>}
      <Lazy summary={`As it is stored, ${format.bytes(manifest.bytes.byteLength)}`}>
        {() => (
          <>
            <Copy text={text} label="the manifest" />
            <pre tabIndex={0}><Text limit={maxRaw} lines>{text}</Text></pre>
          </>
        )}
      </Lazy>
    </Section>
  )
}

const Document = ({ loaded, repository }: { readonly loaded: Loaded; readonly repository: RepositoryName }) => {
  const { document } = loaded
  switch (document?._tag) {
    case "Index":
      return <Platforms repository={repository} manifests={document.manifests} />
    case "Image":
      return <ImageSections repository={repository} manifest={loaded.manifest.descriptor.digest} document={document} />
    case "Artifact":
      return (
        <Layers
          title="Files"
          repository={repository}
          manifest={loaded.manifest.descriptor.digest}
          steps={document.blobs.map((layer) => ({ layer, step: undefined }))}
        />
      )
    default:
      return null
  }
}

const Summary = ({ loaded, repository }: { readonly loaded: Loaded; readonly repository: RepositoryName }) => {
  const { connection } = useApp()
  const link = useLink()
  const { document, manifest: { descriptor } } = loaded
  const size = sizeOf(document)
  const created = useLive(
    descriptor.digest,
    () => Effect.orElseSucceed(content.created(connection, repository, descriptor.digest), () => undefined)
  )
  const known = document === undefined || document._tag === "Unknown" ? undefined : document
  return (
    <Facts>
      {[
        ["Kind", format.kind(descriptor.mediaType)],
        ["Artifact type", known?.artifactType && <Text limit={200}>{known.artifactType}</Text>],
        ["Digest", <Digest key="digest">{descriptor.digest}</Digest>],
        ["Created", format.date(created.value)],
        ["Size", size !== undefined && size > 0 ? format.bytes(size) : undefined],
        [
          "Refers to",
          known?.subject && (
            <a href={link({ repository, digest: known.subject.digest })}>{format.digest(known.subject.digest)}</a>
          )
        ]
      ]}
    </Facts>
  )
}

const View = (
  { loaded, reference, repository }: {
    readonly loaded: Loaded
    readonly repository: RepositoryName
    readonly reference: Operation.TagOrDigest
  }
) => {
  const { document, manifest: { descriptor }, problem } = loaded
  const annotations = document === undefined || document._tag === "Unknown" ? {} : document.annotations ?? {}
  return (
    <>
      {problem !== undefined && (
        <p class="failure" role="alert">
          <strong>The page cannot read this manifest.</strong> <Text>{problem}</Text>
        </p>
      )}
      <Summary loaded={loaded} repository={repository} />
      <Pull
        repository={repository}
        reference={reference}
        digest={descriptor.digest}
        isArtifact={document?._tag === "Artifact" ||
          (document?._tag === "Image" && !content.isImageConfig(document.config))}
      />
      <Document loaded={loaded} repository={repository} />
      {Object.keys(annotations).length > 0 && (
        <Section title="Annotations">
          <Pairs pairs={Object.entries(annotations)} />
        </Section>
      )}
      <Referrers repository={repository} digest={descriptor.digest} />
      <CompareWith repository={repository} reference={reference} />
      <Actions repository={repository} reference={reference} loaded={loaded} />
      <Raw loaded={loaded} />
    </>
  )
}

export const ManifestView = (
  { reference, repository }: { readonly repository: RepositoryName; readonly reference: Operation.TagOrDigest }
) => {
  const { connection } = useApp()
  const isDigest = reference.includes(":")
  // A tag may move.
  const live = useLive(
    "manifest",
    () => content.manifest(connection, repository, reference),
    isDigest ? undefined : 5000
  )
  return (
    <>
      <h1>
        <Name>{`${repository}${isDigest ? `@${format.digest(reference)}` : `:${reference}`}`}</Name>{" "}
        <Copy text={`${connection.host}/${repository}${isDigest ? "@" : ":"}${reference}`} label="the reference" />
      </h1>
      <Show live={live} waiting="Reading the manifest">
        {(loaded) => (
          <View key={loaded.manifest.descriptor.digest} loaded={loaded} repository={repository} reference={reference} />
        )}
      </Show>
    </>
  )
}
