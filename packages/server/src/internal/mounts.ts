import type * as Wire from "@effect-oci/protocol/Wire"
import { total } from "./totalResponse.js"
import type { Respond } from "./totalResponse.js"

/** Answers some paths with other handlers than the registry. A path that ends in a slash includes all paths below it. */
export const apply = (mounts: { readonly [path: string]: Respond }) => {
  const answers = new Map(Object.entries(mounts).map(([path, answer]) => [path, total(answer)]))
  for (const path of answers.keys()) {
    if (/[?#]|^\/v2(\/|$)/.test(path)) {
      throw new Error(`cannot mount at ${path}: it needs a path without a query, and not below /v2/`)
    }
  }
  const folders = [...answers.keys()].filter((path) => path.length > 1 && path.endsWith("/"))
  const find = (path: string) =>
    answers.get(path) ?? answers.get(folders.find((folder) => path.startsWith(folder)) ?? "")
  return (answer: Respond): Respond => (request: Wire.Request) => (find(pathOf(request.target)) ?? answer)(request)
}

const pathOf = (target: string): string => {
  const mark = target.indexOf("?")
  return mark < 0 ? target : target.slice(0, mark)
}
