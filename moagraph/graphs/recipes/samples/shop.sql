-- A small shop, made up: what it sells, to whom, and when.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
INSERT INTO customers VALUES
  (1, 'Ana Ruiz', 'Lisbon'), (2, 'Bo Lindqvist', 'Oslo'), (3, 'Chidi Obi', 'Lisbon'),
  (4, 'Dana Levy', 'Haifa'), (5, 'Emil Novak', 'Oslo');
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, price REAL, stock INTEGER);
INSERT INTO products VALUES
  (1, 'Desk lamp', 24.5, 12), (2, 'Bookshelf', 89.0, 3), (3, 'Teapot', 18.0, 0),
  (4, 'Wool blanket', 55.0, 7);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (id),
  product_id INTEGER REFERENCES products (id),
  quantity INTEGER,
  ordered_on TEXT
);
INSERT INTO orders VALUES
  (1, 1, 1, 2, '2026-01-04'), (2, 1, 4, 1, '2026-01-09'), (3, 2, 2, 1, '2026-02-11'),
  (4, 3, 3, 3, '2026-02-14'), (5, 3, 1, 1, '2026-03-02'), (6, 5, 4, 2, '2026-03-20');
