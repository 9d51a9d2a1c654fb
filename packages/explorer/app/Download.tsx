/** Downloads content. The browser only saves it: it never shows content of a registry by itself. */
import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { useEffect, useRef, useState } from "preact/hooks"
import { useApp } from "./app.js"
import { run } from "./connection.js"
import * as content from "./content.js"
import type { Failed } from "./explain.js"
import * as format from "./format.js"

/** How large a file may be that the page keeps in memory to save it. */
const maxDownload = 512 * 1024 * 1024

/** Saves bytes as a file. */
export const save = (bytes: BlobPart, name: string): void => {
  const address = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }))
  const link = document.createElement("a")
  link.href = address
  link.download = format.fileName(name)
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/** A button that reads a file and saves it. */
export const SaveButton = (
  { name, read }: { readonly name: string; readonly read: Effect.Effect<Uint8Array<ArrayBuffer>, Failed> }
) => {
  const [state, setState] = useState<"ready" | "reading" | "failed">("ready")
  const stop = useRef(() => {})
  useEffect(() => () => stop.current(), [])
  const start = () => {
    setState("reading")
    stop.current = run(read, (exit) => {
      setState(Exit.isSuccess(exit) ? "ready" : "failed")
      if (Exit.isSuccess(exit)) save(exit.value, name)
    })
  }
  const cancel = () => {
    stop.current()
    setState("ready")
  }
  return (
    <button type="button" class="link" aria-live="polite" onClick={state === "reading" ? cancel : start}>
      {state === "reading" ? "Reading… Cancel" : state === "failed" ? "Download failed; try again" : "Download"}
    </button>
  )
}

/** Downloads a blob. Its digest is verified first. */
export const Download = (
  { digest, name, repository, size }: {
    readonly repository: RepositoryName
    readonly digest: Digest
    readonly size: number
    readonly name: string
  }
) => {
  const { connection } = useApp()
  if (size > maxDownload) return <span>too large to download here</span>
  const read = Effect.scoped(Effect.flatMap(
    connection.registry.getBlob(repository, digest),
    ({ stream }) => content.collect(stream, maxDownload)
  ))
  return <SaveButton name={name} read={read} />
}
