/** The sections of an image, or of an artifact that is packed as an image. */
import type { Digest } from "@effect-oci/core/Digest"
import type * as Manifest from "@effect-oci/core/Manifest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { useApp } from "./app.js"
import * as content from "./content.js"
import * as format from "./format.js"
import { steps } from "./imageConfig.js"
import type { ImageConfig } from "./imageConfig.js"
import { Layers } from "./Layers.js"
import { useLive } from "./live.js"
import { Pairs } from "./Pairs.js"
import { Facts, Lazy, Section, Show } from "./parts.js"
import { Text } from "./Text.js"

const Config = ({ config }: { readonly config: ImageConfig }) => (
  <Section title="Config">
    <Facts>
      {[
        ["Platform", config.platform && <Text limit={100}>{config.platform}</Text>],
        ...config.facts.map(([name, value]) =>
          [
            name,
            value && (
              <code>
                <Text>{value}</Text>
              </code>
            )
          ] as const
        )
      ]}
    </Facts>
    {config.environment.length > 0 && (
      <Lazy
        summary={`Environment, ${format.count(config.environment.length, "variable")}`}
        isOpen={config.environment.length <= 8}
      >
        {() => <Pairs pairs={config.environment} />}
      </Lazy>
    )}
    {config.labels.length > 0 && (
      <Lazy summary={`Labels, ${format.count(config.labels.length, "label")}`} isOpen={config.labels.length <= 12}>
        {() => <Pairs pairs={config.labels} />}
      </Lazy>
    )}
  </Section>
)

export const ImageSections = (
  { document, manifest, repository }: {
    readonly repository: RepositoryName
    readonly manifest: Digest
    readonly document: Manifest.Image
  }
) => {
  const { connection } = useApp()
  const live = useLive("config", () => content.config(connection, repository, document))
  return (
    <>
      <Show live={live} waiting="Reading the config">
        {(config) => config === undefined ? null : <Config config={config} />}
      </Show>
      <Layers
        title={live.value === undefined ? "Files" : "Layers"}
        repository={repository}
        manifest={manifest}
        steps={live.value === undefined
          ? document.layers.map((layer) => ({ layer, step: undefined }))
          : steps(live.value.history, document.layers)}
      />
    </>
  )
}
