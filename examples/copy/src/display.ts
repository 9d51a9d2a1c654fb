/** What a person sees of a copy: bars that move on a terminal, a line for each thing elsewhere. */
import type { Descriptor } from "@effect-oci/core"
import type { Progress } from "@effect-oci/transfer"
import { Console, Duration, Effect, Schedule, Stream } from "effect"

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

export const bytes = (count: number): string => {
  const power = count < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10))
  const scaled = count / 1024 ** power
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[power]}`
}

const short = ({ digest }: Descriptor.Descriptor): string => digest.replace(/^(\w+:\w{12}).*/, "$1")

const kind = ({ mediaType }: Descriptor.Descriptor): string => {
  if (/index|manifest\.list/.test(mediaType)) return "index"
  if (/manifest/.test(mediaType)) return "manifest"
  return /config|container\.image|empty/.test(mediaType) ? "config" : "layer"
}

const label = (descriptor: Descriptor.Descriptor): string => `${kind(descriptor).padEnd(8)} ${short(descriptor)}`

/** One line for each thing that is done. */
const lines = (progress: Progress.Tracker) =>
  Stream.runForEach(progress.events, (event) => {
    switch (event._tag) {
      case "Planned":
        return Console.log(
          `to see to: ${event.totals.manifests} manifests, ${event.totals.blobs} blobs of ${bytes(event.totals.bytes)}`
        )
      case "Existed":
        return Console.log(`${label(event.descriptor)} is there`)
      case "Mounted":
        return Console.log(`${label(event.descriptor)} mounted`)
      case "Done":
        return Console.log(`${label(event.descriptor)} copied, ${bytes(event.descriptor.size)}`)
      default:
        return Effect.void
    }
  })

const width = 30

const bar = ({ descriptor, state, transferred }: Progress.Status): string => {
  const share = descriptor.size === 0 ? 1 : Math.min(1, transferred / descriptor.size)
  const full = Math.round(share * width)
  const said = state === "moving"
    ? `${bytes(transferred)} / ${bytes(descriptor.size)}`
    : state === "done"
    ? bytes(descriptor.size)
    : state
  return `${label(descriptor)} [${"=".repeat(full)}${" ".repeat(width - full)}] ${said}`
}

/** Draws over what it drew before, a line for each thing; those that do not fit are counted. */
const bars = (progress: Progress.Tracker, terminal: NodeJS.WriteStream) => {
  let drawn = 0
  return Effect.map(progress.statuses, (statuses) => {
    const room = Math.max(1, (terminal.rows ?? 24) - 2)
    const moving = statuses.filter(({ state }) => state === "moving")
    const rest = statuses.filter(({ state }) => state !== "moving")
    const shown = [...rest.slice(Math.max(0, rest.length - (room - moving.length))), ...moving].slice(-room)
    const hidden = statuses.length - shown.length
    const text = [...hidden > 0 ? [`… and ${hidden} more`] : [], ...shown.map(bar)]
    const cut = text.map((line) => `\u001B[2K${line.slice(0, Math.max(20, (terminal.columns ?? 80) - 1))}\n`)
    terminal.write(`${drawn > 0 ? `\u001B[${drawn}A` : ""}\u001B[J${cut.join("")}`)
    drawn = cut.length
  })
}

/** Shows how a copy is doing, until the effect ends. */
export const during = (progress: Progress.Tracker) => <A, E, R>(copy: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    if (!process.stdout.isTTY) {
      const events = yield* progress.subscribe
      yield* Effect.forkScoped(lines({ ...progress, events }))
      return yield* Effect.zipLeft(copy, Effect.sleep(Duration.millis(10)))
    }
    const draw = bars(progress, process.stdout)
    yield* Effect.forkScoped(Effect.repeat(draw, Schedule.spaced("100 millis")))
    return yield* Effect.ensuring(copy, draw)
  }))
