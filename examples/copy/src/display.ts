/** Shows the progress of a copy: as moving bars on a terminal, as lines elsewhere. Prints a summary at the end. */
import type { Descriptor, Tag } from "@effect-oci/core"
import { Progress } from "@effect-oci/transfer"
import { Effect, Schedule } from "effect"

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

export const bytes = (count: number): string => {
  const power = count < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10))
  const scaled = count / 1024 ** power
  return `${scaled >= 100 ? Math.round(scaled) : Number(scaled.toFixed(1))} ${units[power]}`
}

/** Returns a number with its noun: `1 manifest`, `2 manifests`. */
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

const list = (parts: ReadonlyArray<string>): string =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`

/** Returns `1 manifest and 2 blobs (256 MiB)`. Leaves out numbers that are zero. */
const amount = (manifests: number, blobs: number, size: number): string =>
  list([
    ...manifests > 0 ? [count(manifests, "manifest")] : [],
    ...blobs > 0 ? [`${count(blobs, "blob")} (${bytes(size)})`] : []
  ])

const kind = ({ mediaType }: Descriptor.Descriptor): string => {
  if (/index|manifest\.list/.test(mediaType)) return "index"
  if (/manifest/.test(mediaType)) return "manifest"
  return /config|container\.image|empty/.test(mediaType) ? "config" : "layer"
}

const hexOf = ({ digest }: Descriptor.Descriptor, length: number): string =>
  digest.slice(digest.indexOf(":") + 1).slice(0, length)

const label = (descriptor: Descriptor.Descriptor): string =>
  `${kind(descriptor).padEnd(8)} ${descriptor.digest.replace(/^(\w+:\w{12}).*/, "$1")}`

/** Returns the line that says what will be copied, or no line if the target has all manifests. */
const planned = ({ blobs, bytes: size, existed, manifests }: Progress.Totals): ReadonlyArray<string> =>
  manifests === existed ? [] : [`copying ${amount(manifests - existed, blobs, size)}`]

/** Returns the lines to print for an event. */
const linesOf = (event: Progress.Event): ReadonlyArray<string> => {
  switch (event._tag) {
    case "Planned":
      return planned(event.totals)
    case "Existed":
      return [`${label(event.descriptor)} is already there`]
    case "Mounted":
      return [`${label(event.descriptor)} mounted`]
    case "Done":
      return [`${label(event.descriptor)} copied, ${bytes(event.descriptor.size)}`]
    default:
      return []
  }
}

/** Prints a line for each manifest and blob when it is done. */
const printing = (progress: Progress.Tracker): Progress.Tracker => ({
  ...progress,
  report: (event) => {
    progress.report(event)
    for (const line of linesOf(event)) process.stdout.write(`${line}\n`)
  }
})

const words = { existed: "there", mounted: "mounted", done: "", moving: "", failed: "failed" } as const

/** Returns `layer    3b5ac42f1e [=====     ]  52% 12.3 MiB / 23.6 MiB`. Leaves out the bar on a narrow terminal. */
export const bar = ({ descriptor, state, transferred }: Progress.Status, columns: number): string => {
  const share = descriptor.size === 0 || state === "done" ? 1 : Math.min(1, transferred / descriptor.size)
  const left = `${kind(descriptor).padEnd(8)} ${hexOf(descriptor, columns < 60 ? 8 : 12)}`
  const size = state === "moving" ? `${bytes(transferred)} / ${bytes(descriptor.size)}` : bytes(descriptor.size)
  const percent = words[state] === "" ? `${Math.floor(share * 100)}%` : words[state]
  const right = `${percent.padStart(4)} ${size}`
  const room = Math.min(30, columns - left.length - " [] ".length - "100% 1023 KiB / 1023 KiB".length)
  const full = Math.round(share * room)
  const drawn = room < 5 ? " " : ` [${"=".repeat(full)}${" ".repeat(room - full)}] `
  return `${left}${drawn}${right}`.slice(0, Math.max(20, columns))
}

/** Draws a line for each manifest and blob over the last drawing. If some lines do not fit, shows how many. */
const bars = (progress: Progress.Tracker, terminal: NodeJS.WriteStream) => {
  let drawn = 0
  return Effect.gen(function*() {
    const statuses = yield* progress.statuses
    const columns = Math.max(20, (terminal.columns ?? 80) - 1)
    const header = planned(yield* progress.totals)
    const room = Math.max(1, (terminal.rows ?? 24) - 2 - header.length)
    const moving = statuses.filter(({ state }) => state === "moving")
    const rest = statuses.filter(({ state }) => state !== "moving")
    const shown = [...rest.slice(Math.max(0, rest.length - (room - moving.length))), ...moving].slice(-room)
    const hidden = statuses.length - shown.length
    const text = [
      ...header,
      ...hidden > 0 ? [`… and ${hidden} more`] : [],
      ...shown.map((status) => bar(status, columns))
    ]
    // After Ctrl-C the terminal shows ^C, and the cursor is behind it: `\r` moves it back.
    const up = drawn > 0 ? `\r\u001B[${drawn}A` : "\r"
    terminal.write(`${up}\u001B[J${text.map((line) => `${line.slice(0, columns)}\n`).join("")}`)
    drawn = text.length
  })
}

/** Runs a copy with a tracker, and shows its progress until the copy ends. */
export const during = (progress: Progress.Tracker) => <A, E, R>(copy: Effect.Effect<A, E, R>) => {
  const terminal = process.stdout
  if (!terminal.isTTY) return Effect.provideService(copy, Progress.Progress, printing(progress))
  const draw = bars(progress, terminal)
  return Effect.scoped(Effect.zipRight(
    Effect.forkScoped(Effect.repeat(draw, Schedule.spaced("100 millis"))),
    Effect.ensuring(Effect.provideService(copy, Progress.Progress, progress), draw)
  ))
}

const nouns = { ".sig": "signature", ".att": "attestation", ".sbom": "SBOM" } as const

/** Counts the tags that are made from digests, by their kind: `1 signature`, `2 SBOMs`. */
const extras = (tags: ReadonlyArray<Tag.Tag>): ReadonlyArray<string> => {
  const known = Object.entries(nouns).map(([ending, noun]) =>
    [tags.filter((tag) => tag.endsWith(ending)).length, noun] as const
  )
  const others = tags.length - known.reduce((sum, [found]) => sum + found, 0)
  return [...known, [others, "other tag"] as const].flatMap(([found, noun]) => found > 0 ? [count(found, noun)] : [])
}

/** Returns one sentence that says what a copy did, or what a dry run would do. */
export const summarize = (
  { blobs, bytes: size, descriptor, digestTags, manifests, tags }: Progress.Summary,
  { dryRun, seconds, target }: { readonly dryRun: boolean; readonly seconds: number; readonly target: string }
): string => {
  const { digest } = descriptor
  const moved = amount(manifests.pushed, blobs.moved, size)
  const known = extras(digestTags)
  const details = [
    ...blobs.mounted > 0 ? [`${count(blobs.mounted, "blob")} mounted`] : [],
    ...manifests.existed > 0 ? [`${count(manifests.existed, "manifest")} already there`] : [],
    ...blobs.existed > 0 ? [`${count(blobs.existed, "blob")} already there`] : [],
    ...known.length > 0 ? [`with ${list(known)}`] : []
  ]
  if (moved === "" && blobs.mounted === 0) {
    const all = `${target} already has ${digest} (${[count(manifests.existed, "manifest"), ...known].join(", ")})`
    const verb = dryRun ? "would set" : "set"
    return tags.length === 0
      ? `nothing to copy: ${all}`
      : `${verb} ${tags.length === 1 ? "tag" : "tags"} ${list(tags)}: ${all}`
  }
  const amounts = [moved === "" ? "nothing" : moved, ...details].join(", ")
  return dryRun
    ? `would copy ${digest} to ${target}: ${amounts}`
    : `copied ${digest} to ${target}: ${amounts}, in ${seconds.toFixed(1)} s`
}
