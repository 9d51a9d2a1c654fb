/** Returns the text of a field by its name. The text of an absent field, and of a box that is not checked, is empty. */
export type Fields = (name: string) => string

/** Reads the fields of a form that is submitted. The browser itself sends nothing. */
export const read = (event: SubmitEvent): Fields => {
  event.preventDefault()
  const data = new FormData(event.currentTarget as HTMLFormElement)
  return (name) => {
    const value = data.get(name)
    return typeof value === "string" ? value : ""
  }
}
