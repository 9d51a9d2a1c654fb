/** The layers of an image, or the files of an artifact, with their sizes. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest as DigestOf } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { useLink } from "./app.js"
import * as content from "./content.js"
import { Blob } from "./Document.js"
import { isReadable } from "./documents.js"
import { Download } from "./Download.js"
import * as format from "./format.js"
import type { BuildStep } from "./imageConfig.js"
import { Lazy, Paged, Section } from "./parts.js"
import { Text } from "./Text.js"

const titleAnnotation = "org.opencontainers.image.title"

/** Returns the name of the file that a layer of an artifact contains. */
export const titleOf = ({ annotations }: Descriptor): string | undefined => annotations?.[titleAnnotation]

/** Returns whether a layer is an archive whose files the page lists. */
export const isArchive = ({ mediaType }: Descriptor): boolean => /[.+-](?:tar|tgz)\b|rootfs\.diff/.test(mediaType)

/** The sizes of the layers as one bar. The numbers are in the list below it. */
const Bar = ({ layers }: { readonly layers: ReadonlyArray<Descriptor> }) => {
  const total = layers.reduce((sum, { size }) => sum + size, 0)
  return total === 0 || layers.length < 2 ? null : (
    <div class="bar-of-sizes" aria-hidden="true">
      {layers.map(({ digest, size }, at) => (
        <span
          key={at}
          style={{ flexGrow: String(size / total) }}
          title={`${at + 1}: ${format.bytes(size)}, ${format.digest(digest)}`}
        />
      ))}
    </div>
  )
}

/** Shows a layer that is not an archive, if it is text, and saves it as a file. */
export const LayerContent = (
  { isOpen, layer, repository }: {
    readonly repository: RepositoryName
    readonly layer: Descriptor
    readonly isOpen: boolean
  }
) => {
  const title = titleOf(layer)
  const canShow = layer.size <= content.maxDocument && isReadable(`${layer.mediaType} ${title ?? ""}`)
  return (
    <>
      {canShow && (
        <Lazy
          isOpen={isOpen}
          summary={
            <>
              Show <Text limit={200}>{title ?? layer.mediaType}</Text>
            </>
          }
        >
          {() => (
            <div class="below">
              <Blob repository={repository} descriptor={layer} />
            </div>
          )}
        </Lazy>
      )}
      <Download repository={repository} digest={layer.digest} size={layer.size} name={title ?? layer.digest} />
    </>
  )
}

const Step = (
  { build: { layer, step }, largest, manifest, number, repository }: {
    readonly build: BuildStep
    readonly number: number | undefined
    readonly largest: number
    readonly repository: RepositoryName
    readonly manifest: DigestOf
  }
) => {
  const link = useLink()
  const title = layer === undefined ? undefined : titleOf(layer)
  return (
    <li class={layer === undefined ? "empty-step" : undefined}>
      <div class="step">
        {layer !== undefined && (
          <span class="size">
            <span class="number">{number}</span> {format.bytes(layer.size)}
            <meter min={0} max={largest} value={layer.size} aria-hidden="true" />
          </span>
        )}
        <span class="what">
          {title !== undefined && (
            <strong>
              <Text limit={300}>{title}</Text>
            </strong>
          )}
          {step !== undefined && step.command !== "" && (
            <code>
              <Text limit={600}>{step.command}</Text>
            </code>
          )}
          {step?.comment !== undefined && (
            <small>
              <Text limit={100}>{step.comment}</Text>
            </small>
          )}
          {layer !== undefined && (
            <small>
              {isArchive(layer) && (
                <>
                  <a href={link({ repository, digest: manifest, query: { layer: layer.digest } })}>
                    Files of layer {number}
                  </a>
                  {" "}
                </>
              )}
              <code>{format.digest(layer.digest)}</code> <Text limit={120}>{layer.mediaType}</Text>
            </small>
          )}
          {layer !== undefined && !isArchive(layer) && (
            <LayerContent repository={repository} layer={layer} isOpen={false} />
          )}
        </span>
      </div>
    </li>
  )
}

export const Layers = (
  { manifest, repository, steps, title }: {
    readonly title: string
    readonly repository: RepositoryName
    readonly manifest: DigestOf
    readonly steps: ReadonlyArray<BuildStep>
  }
) => {
  const layers = steps.flatMap(({ layer }) => layer ?? [])
  const largest = Math.max(1, ...layers.slice(0, 5000).map(({ size }) => size))
  const numbers = new Map(layers.map((layer, at) => [layer, at + 1]))
  const total = layers.reduce((sum, { size }) => sum + size, 0)
  if (steps.length === 0) return null
  return (
    <Section title={title} note={`${layers.length}, ${format.bytes(total)} together`}>
      <Bar layers={layers.slice(0, 200)} />
      <Paged items={steps} size={150}>
        {(shown) => (
          <ol class="steps">
            {shown.map((build, at) => (
              <Step
                key={at}
                build={build}
                number={build.layer === undefined ? undefined : numbers.get(build.layer)}
                largest={largest}
                repository={repository}
                manifest={manifest}
              />
            ))}
          </ol>
        )}
      </Paged>
    </Section>
  )
}
