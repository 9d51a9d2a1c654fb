/** The longest name of a file, and the deepest path, that a title may have. */
const maxName = 255
const maxDepth = 32

/** A name that stays where it is put, on every system. */
const isContained = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && name.length <= maxName && !/[\\:\p{Cc}]/u.test(name)

/** Characters that do not show, or that Windows refuses. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}<>"|?*]/u

/** Windows opens a device for these names, whatever their extension, and drops a final dot or space. */
const reserved = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:[. ]|$)|[. ]$/i

/** Git runs what files in this folder say. The second name is the folder's short name on Windows. */
const git = /^(?:\.git|git~\d+)$/i

const isSafe = (name: string): boolean => !unsafe.test(name) && !reserved.test(name) && !git.test(name)

/**
 * Splits the title of a file into the names of its folders and its own: `undefined` if it would lead out of the folder,
 * or if only safe titles are taken and it misleads readers, is reserved by a system, or is one that git obeys.
 */
export const partsOf = (title: string, allowed: "safe" | "any"): ReadonlyArray<string> | undefined => {
  if (title.length > maxDepth * (maxName + 1)) return undefined
  const parts = title.split("/")
  return parts.length <= maxDepth && parts.every(isContained) && (allowed === "any" || parts.every(isSafe))
    ? parts
    : undefined
}
