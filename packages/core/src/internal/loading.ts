import * as Effect from "effect/Effect"
import { done } from "../Answer.js"
import type * as Descriptor from "../Descriptor.js"
import * as Digest from "../Digest.js"
import { builtOn } from "../Handler.js"
import type { Handler } from "../Handler.js"

/** The fields of operations that contain a digest to verify, or an algorithm. */
interface Named {
  readonly _tag: string
  readonly digest?: string | undefined
  readonly reference?: string | undefined
  readonly descriptor?: Descriptor.Descriptor | undefined
  readonly algorithm?: string | undefined
}

const nameOf = ({ algorithm, descriptor, digest, reference }: Named): string =>
  digest ?? reference ?? descriptor?.digest ?? algorithm ?? ""

const loaders = new WeakSet<Handler>()

/** Loads the algorithm of the digest in an operation before the handler needs it. Returns its own result unchanged. */
export const loading = (handler: Handler): Handler => {
  if (loaders.has(handler)) return handler
  const loader = builtOn((operation) => {
    const load = Digest.load(nameOf(operation))
    return load === done ? handler(operation) : Effect.zipRight(load, Effect.suspend(() => handler(operation)))
  }, handler)
  loaders.add(loader)
  return loader
}
