import type { Check } from "../Check.js"

export const upload: ReadonlyArray<Check> = []
