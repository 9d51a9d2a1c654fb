/** The manifests that refer to a manifest: signatures, SBOMs, attestations and other artifacts, with what refers to these. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest as DigestOf } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { useApp, useLink } from "./app.js"
import { read } from "./attached.js"
import { hasNoReferrers } from "./connection.js"
import * as content from "./content.js"
import * as format from "./format.js"
import { LayerContent } from "./Layers.js"
import { useLive } from "./live.js"
import { Pairs } from "./Pairs.js"
import { Digest, Lazy, Paged, Section, Show } from "./parts.js"
import { Text } from "./Text.js"

/** How deep the graph is followed. */
const maxDepth = 5

/** What a referrer contains. */
const Content = (
  { depth, descriptor, repository }: {
    readonly repository: RepositoryName
    readonly descriptor: Descriptor
    readonly depth: number
  }
) => {
  const { connection } = useApp()
  const link = useLink()
  const live = useLive(descriptor.digest, () => content.manifest(connection, repository, descriptor.digest))
  return (
    <div class="below">
      <p>
        <a href={link({ repository, digest: descriptor.digest })}>Open</a> <Digest>{descriptor.digest}</Digest>
      </p>
      <Show live={live} waiting="Reading the manifest">
        {({ document }) => {
          if (document === undefined || document._tag === "Unknown") return null
          const annotations = Object.entries(document.annotations ?? {})
          const layers = document._tag === "Image"
            ? document.layers
            : document._tag === "Artifact"
            ? document.blobs
            : []
          return (
            <>
              {annotations.length > 0 && <Pairs pairs={annotations} />}
              {layers.slice(0, 100).map((layer, at) => (
                <LayerContent key={at} repository={repository} layer={layer} isOpen={layers.length === 1} />
              ))}
            </>
          )
        }}
      </Show>
      {depth < maxDepth && <List repository={repository} digest={descriptor.digest} depth={depth + 1} />}
    </div>
  )
}

const List = (
  { depth, digest, repository }: {
    readonly repository: RepositoryName
    readonly digest: DigestOf
    readonly depth: number
  }
) => {
  const { connection } = useApp()
  const live = useLive(
    `referrers ${digest}`,
    () => read(connection, repository, digest),
    depth === 0 ? 15_000 : undefined
  )
  return (
    <Show live={live} waiting="Reading what refers to this">
      {(referrers) => (
        <>
          {depth === 0 && hasNoReferrers(connection, repository) && (
            <p class="note">
              This registry does not list referrers. The page shows what clients list under tags that are made from the
              digest; an artifact that is not listed there is not shown.
            </p>
          )}
          {referrers.length === 0
            ? depth === 0 && (
              <p class="empty">Nothing refers to this manifest: it has no signature, SBOM or attestation here.</p>
            )
            : (
              <Paged items={referrers}>
                {(shown) => (
                  <>
                    {shown.map((descriptor) => (
                      <Lazy
                        key={descriptor.digest}
                        summary={
                          <>
                            <Text limit={150}>{descriptor.artifactType ?? descriptor.mediaType}</Text>{" "}
                            <small>{format.digest(descriptor.digest)}</small>
                          </>
                        }
                      >
                        {() => <Content repository={repository} descriptor={descriptor} depth={depth} />}
                      </Lazy>
                    ))}
                  </>
                )}
              </Paged>
            )}
        </>
      )}
    </Show>
  )
}

export const Referrers = (
  { digest, repository }: { readonly repository: RepositoryName; readonly digest: DigestOf }
) => (
  <Section title="Referrers">
    <List repository={repository} digest={digest} depth={0} />
  </Section>
)
