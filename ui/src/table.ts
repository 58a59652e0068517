// A table that is told its rows anew every second: rows are recognised by their key, and only what changed is touched,
// so that focus, selection and scrolling stay where they are.

import { Child, h, replace, setClass, setText } from "./dom.js";

export interface Column<Row> {
  title: string;
  numeric?: boolean;
  minor?: boolean; // left out where the window is narrow
  sort?: string; // the API's name of it
  // Either text, looked at each time, or an element, made once for each row.
  text?: (row: Row) => string;
  tone?: (row: Row) => string; // the class of the text
  element?: (row: Row) => Child;
}

export interface Sorting {
  by: string;
  reverse: boolean;
}

export class Table<Row> {
  readonly element: HTMLElement;
  private readonly body = h("tbody");
  private readonly empty: HTMLElement;
  private readonly heads = new Map<string, HTMLTableCellElement>();
  private rows = new Map<string, { line: HTMLTableRowElement; cells: HTMLElement[] }>();

  constructor(
    caption: string,
    private readonly columns: Column<Row>[],
    private readonly key: (row: Row) => string,
    whenEmpty: string,
    private readonly onSort?: (by: string) => void,
  ) {
    const heads = columns.map((column) => {
      const head = h("th", { scope: "col", class: this.classOf(column) });
      const by = column.sort;
      if (by !== undefined && onSort) {
        head.appendChild(h("button", { type: "button", class: "sort", onclick: () => this.onSort?.(by) }, column.title));
        this.heads.set(by, head);
      } else {
        head.appendChild(document.createTextNode(column.title));
      }
      return head;
    });
    this.empty = h("p", { class: "empty", hidden: true }, whenEmpty);
    const table = h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...heads)), this.body);
    this.element = h(
      "div",
      {},
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table),
      this.empty,
    );
  }

  showSorting(sorting: Sorting): void {
    for (const [by, head] of this.heads) {
      const order = by === sorting.by ? (sorting.reverse ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", order);
    }
  }

  update(rows: Row[]): void {
    const before = this.rows;
    this.rows = new Map();
    const focused = document.activeElement;
    let place = this.body.firstChild;
    for (const row of rows) {
      const key = this.key(row);
      if (this.rows.has(key)) continue;
      const known = before.get(key) ?? this.make(row);
      before.delete(key);
      this.rows.set(key, known);
      this.fill(known.cells, row);
      if (known.line === place) {
        place = place.nextSibling;
      } else {
        this.body.insertBefore(known.line, place);
      }
    }
    for (const { line } of before.values()) line.remove();
    // Moving a row takes the focus from what is in it.
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.body.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
    this.empty.hidden = rows.length > 0;
  }

  private classOf(column: Column<Row>): string {
    return [column.numeric === true ? "numeric" : "", column.minor === true ? "minor" : ""].join(" ").trim();
  }

  private make(row: Row): { line: HTMLTableRowElement; cells: HTMLElement[] } {
    const cells: HTMLElement[] = this.columns.map((column, index) => {
      const cell = index === 0 ? h("th", { scope: "row" }) : h("td");
      setClass(cell, this.classOf(column));
      const inner = h("span");
      if (column.element) {
        const made = column.element(row);
        replace(inner, made);
      }
      cell.appendChild(inner);
      return cell;
    });
    return { line: h("tr", {}, ...cells), cells };
  }

  private fill(cells: HTMLElement[], row: Row): void {
    this.columns.forEach((column, index) => {
      const inner = cells[index]?.firstElementChild;
      if (!inner || !column.text) return;
      setText(inner, column.text(row));
      setClass(inner, column.tone?.(row) ?? "");
    });
  }
}
