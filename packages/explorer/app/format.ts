/** Texts that people read: sizes, dates, numbers, and texts from registries. */
import { printable } from "@effect-oci/core/Printable"

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]

/** Formats a number of bytes: `3.4 MiB`. */
export const bytes = (count: number): string => {
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(count, 1)) / 10), 0), units.length - 1)
  const value = count / 2 ** (10 * power)
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** Formats a number of things: `1 tag`, `2,000 tags`. */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`

/** Formats a date as the user's system does. Returns `undefined` for a text that is not a date. */
export const date = (text: string | undefined): string | undefined => {
  const time = text === undefined ? Number.NaN : Date.parse(text)
  if (!Number.isFinite(time)) return undefined
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })
}

/** Shortens a digest: `sha256:4f2a6b0c1d3e`. */
export const digest = (text: string): string => {
  const colon = text.indexOf(":")
  return text.length - colon > 13 ? text.slice(0, colon + 13) : text
}

/** Returns a text of a registry for an attribute or a title: on one line, without invisible characters. */
export const plain = (text: string, limit = 300): string => printable(text, limit)

/** Returns a name for a downloaded file: without folders and without characters that a file system may interpret. */
export const fileName = (text: string): string => {
  const name = plain(text, 200).split(/[/\\]/).at(-1)!.replaceAll(/[<>:"|?*\p{Cc}]/gu, "_").replace(
    /^[.\s]+|[.\s]+$/g,
    ""
  )
  return name === "" ? "file" : name
}

/** Returns the URL of a text if it is a web address. */
export const webAddress = (text: string): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && text.length < 2000
    ? url.href
    : undefined
}

const kinds: { readonly [mediaType: string]: string } = {
  "application/vnd.oci.image.index.v1+json": "index",
  "application/vnd.oci.image.manifest.v1+json": "manifest",
  "application/vnd.docker.distribution.manifest.list.v2+json": "index (Docker)",
  "application/vnd.docker.distribution.manifest.v2+json": "manifest (Docker)",
  "application/vnd.oci.artifact.manifest.v1+json": "artifact"
}

/** Returns a short name for the media type of a manifest. */
export const kind = (mediaType: string): string => kinds[mediaType] ?? plain(mediaType, 100)
