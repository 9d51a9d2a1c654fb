import { Body, RegistryError, Source } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { closeSync, createReadStream, openSync, statSync, writev } from "node:fs"

/** Returns the content of a file as a body. */
export const fromFile = (file: string): Body.Body =>
  Body.fromSource((sink) => {
    const content = createReadStream(file, { highWaterMark: 256 * 1024 })
    content.on("data", (chunk) => {
      if (!sink.data(chunk as Buffer)) content.pause()
    })
    content.on("end", sink.end)
    content.on("error", (cause) => sink.fail(new RegistryError.BodyFailed({ cause })))
    return { resume: () => void content.resume(), cancel: () => void content.destroy() }
  }, { size: statSync(file).size, replayable: true })

/** The buffer sizes, in bytes, from which a write begins and from which the registry waits for the file. */
const enough = 128 * 1024
const tooMuch = 1024 * 1024

/** Writes a source into a file. Reads more bytes during a write, so that disk and network wait less for each other. */
const write = (source: Source.Source, descriptor: number): Effect.Effect<void, RegistryError.RegistryError> =>
  Effect.async((resume) => {
    let gathered: Array<Uint8Array> = []
    let bytes = 0
    let writing = false
    let paused = false
    let ended: Exit.Exit<void, RegistryError.RegistryError> | undefined
    const step = () => {
      if (writing) return
      if (bytes === 0 && ended !== undefined) return resume(ended)
      if (bytes < enough && ended === undefined) return
      const pieces = gathered
      writing = true
      gathered = []
      bytes = 0
      writev(descriptor, pieces, (error) => {
        writing = false
        if (error !== null) {
          control.cancel()
          return resume(Effect.die(error))
        }
        step()
        if (paused) control.resume()
        paused = false
      })
    }
    const end = (exit: Exit.Exit<void, RegistryError.RegistryError>) => {
      ended = exit
      step()
    }
    const control = source({
      data: (piece) => {
        gathered.push(piece)
        bytes += piece.byteLength
        step()
        paused = bytes >= tooMuch
        return !paused
      },
      end: () => end(Exit.void),
      fail: (error) => end(Exit.fail(error))
    })
    return Effect.sync(control.cancel)
  })

/** Writes a body into a file. */
export const intoFile = (body: Body.Body, file: string): Effect.Effect<void, RegistryError.RegistryError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => openSync(file, "w")),
    (descriptor) => Effect.flatMap(Source.fork, (fork) => write(Body.toSource(body, fork), descriptor)),
    (descriptor) => Effect.sync(() => closeSync(descriptor))
  )
