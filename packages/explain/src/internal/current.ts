import * as Context from "effect/Context"
import { Requests } from "./requests.js"

/** The explanation that is being made. */
export interface Explaining {
  readonly requests: Requests
  /** The sizes of content that manifests name. */
  readonly sizes: Map<string, number>
}

export const make = (): Explaining => ({ requests: new Requests(), sizes: new Map() })

/** The explanation of the program that runs. Default: an explanation that is not read. */
export class Current extends Context.Reference<Current>()("@effect-oci/explain/Current", { defaultValue: make }) {}
